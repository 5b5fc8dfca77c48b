// The page's controller: which conversation is open, who may speak, and where the eye and the keyboard are.
import { $, announce, copyText, h, icon, toast } from "./dom.js";
import { label, starterPairs, t } from "./i18n.js";
import { demoNote, drawModelNote, drawSettings } from "./settings.js";
import { Shop } from "./shop.js";
import { Sidebar, titleOf } from "./sidebar.js";
import { Conversations, newConversation, settings } from "./store.js";
import { drawTools } from "./tools.js";
import { mustKeep, openCalls, stateOf, Turn } from "./turn.js";
import { View } from "./view.js";
import { down, watch, world } from "./world.js";

const TITLE_CHARS = 40;
const NEAR_END_PX = 60;

const conversations = new Conversations(() => toast(t("notKept")), changedElsewhere);
const turns = new Map(); // conversation id -> its running turn
const views = new Map(); // conversation id -> its view, for the open one and those still answering
let item = newConversation();
let atEnd = true;

const view = () => views.get(item.id);
const busy = () => turns.has(item.id);

// --- the conversation -------------------------------------------------------------------------------------------

function actionsFor(mine) {
  return {
    copy: (text) => copyText(text, t("copied")),
    save: () => conversations.save(mine),
    resume: () => run(mine),
    decide: (id, yes, always) => decide(mine, id, yes, always),
    asked: (id) => asked(mine, id),
    edit: (index, text) => edit(mine, index, text),
    regenerate: () => regenerate(mine),
  };
}

function viewOf(mine) {
  if (!views.has(mine.id)) views.set(mine.id, new View(mine, actionsFor(mine)));
  return views.get(mine.id);
}

function show(mine) {
  for (const id of views.keys()) if (!turns.has(id)) views.delete(id);
  item = mine;
  settings.set("current", item.id);
  const scroll = $("scroll");
  scroll.replaceChildren(item.entries.length ? viewOf(item).root : emptyState());
  if (item.entries.length && !busy()) explain(item);
  watched.disconnect();
  watched.observe(scroll.firstElementChild);
  follow(true);
  document.documentElement.classList.remove("side-open");
  redraw();
}

function redraw() {
  $("title").textContent = item.entries.length ? titleOf(item) : t("app");
  document.title = item.entries.length ? `${titleOf(item)} · ${t("app")}` : t("app");
  const send = $("send");
  send.replaceChildren(icon(busy() ? "stop" : "send"));
  send.title = t(busy() ? "stop" : "send");
  send.setAttribute("aria-label", send.title);
  send.classList.toggle("stop", busy());
  send.disabled = !busy() && !$("input").value.trim();
  sidebar.update();
}

function start() {
  show(newConversation());
  $("input").focus();
}

function ask(text) {
  if (busy() || !text.trim()) return;
  settleOpenCalls(item);
  const entry = { message: { role: "user", content: text.trim() } };
  if (!item.title) item.title = text.trim().replace(/\s+/g, " ").slice(0, TITLE_CHARS);
  item.entries.push(entry);
  const first = item.entries.length === 1;
  if (first) show(item);
  else view().question(entry);
  follow(true);
  run(item);
}

/** A new question ends what was still open: the unasked counts as not confirmed, the interrupted as unknown. */
function settleOpenCalls(mine) {
  for (const id of openCalls(mine)) {
    const state = stateOf(mine, id, false);
    if (state === "waiting") mine.approvals[id] = false;
    if (state !== "unknown") continue;
    Object.assign(mine.calls[id], { result: t("unknownText"), unknown: true });
    mine.entries.push({ message: { role: "tool", tool_call_id: id, content: t("unknownText") } });
  }
}

async function run(mine) {
  if (turns.has(mine.id)) return;
  const shown = viewOf(mine);
  const turn = new Turn(mine, shown, () => conversations.save(mine));
  turns.set(mine.id, turn);
  mine.at = Date.now();
  conversations.save(mine);
  shown.begin();
  announce(t("thinking"));
  redraw();
  const { reason, detail } = await turn.run();
  turns.delete(mine.id);
  shown.finish();
  explain(mine, reason, detail);
  if (reason === "stop" && mine === item) announce(t("answered") + shown.spoken());
  redraw();
}

/** Say how the newest answer stands: as it just ended, or as it is found after a reload. */
function explain(mine, reason, detail) {
  const shown = viewOf(mine);
  const again = () => run(mine);
  const last = mine.entries.at(-1).message;
  const states = openCalls(mine).map((id) => stateOf(mine, id, false));
  const complete = last.role === "assistant" && !states.length;
  if (reason === "error") shown.note("error", t("errorTitle"), detail, t("tryAgain"), again);
  else if (reason === "rounds") shown.note("info", "", t("rounds"), t("continue"), again);
  else if (states.includes("waiting") || states.includes("unknown")) shown.note();
  else if (reason === "stopped") shown.note("info", "", t("stopped"), complete ? "" : t("continue"), again);
  else if (!complete) shown.note("error", "", t("interrupted"), t("continue"), again);
}

function decide(mine, id, yes, always) {
  if (turns.has(mine.id) || id in mine.approvals) return;
  const call = mine.calls[id];
  mine.approvals[id] = yes;
  if (yes && always) settings.setAlways(`${call.server}/${call.tool}`, true);
  conversations.save(mine);
  const waits = openCalls(mine).some((other) => stateOf(mine, other, false) === "waiting");
  const card = viewOf(mine).cardOf(id);
  if (waits && yes) card.chosen();
  else card.update();
  drawSettings(() => item, relabel);
  $("input").focus({ preventScroll: true });
  if (!waits) run(mine);
}

/** A confirmation is on the screen: the keyboard goes there, unless something is being typed. */
function asked(mine, id) {
  if (mine !== item) return;
  follow(atEnd);
  announce(t("askedYou") + (mine.calls[id].title || mine.calls[id].tool));
  const free = [document.body, $("input"), $("send"), $("scroll")].includes(document.activeElement);
  if (free && !$("input").value) view().cardOf(id).focus();
}

function regenerate(mine) {
  if (turns.has(mine.id)) return;
  const question = mine.entries.findLastIndex((entry) => entry.message.role === "user");
  mine.entries.length = mustKeep(mine, question + 1);
  viewOf(mine).render();
  run(mine);
}

function edit(mine, index, text) {
  if (turns.has(mine.id)) return;
  settleOpenCalls(mine);
  if (mustKeep(mine, index) > index) toast(t("keptPurchase"));
  else mine.entries.length = index;
  mine.entries.push({ message: { role: "user", content: text } });
  viewOf(mine).render();
  follow(true);
  run(mine);
}

function changedElsewhere(id) {
  if (turns.has(id)) return;
  const found = conversations.items.get(id);
  views.delete(id);
  if (id === item.id && found) show(found);
  else sidebar.update();
}

// --- the screen -------------------------------------------------------------------------------------------------

function emptyState() {
  const cards = starterPairs().map(([name, question]) =>
    h("button", { type: "button", class: "starter", onclick: () => ask(question) }, h("small", {}, name), h("span", {}, question)),
  );
  return h(
    "div",
    { class: "empty" },
    h("h2", {}, t("hello")),
    h("p", {}, t("helloMore")),
    h("div", { class: "starters" }, cards),
    world.model.demo ? h("aside", { class: "demo", "aria-label": t("demoChip") }, demoNote()) : null,
  );
}

/** Keep the end in sight while it grows, but only for someone who is there. */
function follow(yes) {
  atEnd = yes;
  if (yes) $("scroll").scrollTop = $("scroll").scrollHeight;
  $("to-end").hidden = yes || !item.entries.length;
}

const watched = new ResizeObserver(() => follow(atEnd && item.entries.length > 0));

function onScroll() {
  const { scrollHeight, scrollTop, clientHeight } = $("scroll");
  atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  $("to-end").hidden = atEnd || !item.entries.length;
}

function onKey(event) {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  if (!busy()) send();
}

function send() {
  if (busy()) return turns.get(item.id).stop();
  const input = $("input");
  const text = input.value;
  input.value = "";
  grow();
  return ask(text);
}

function grow() {
  const input = $("input");
  input.style.height = "auto";
  input.style.height = `${input.scrollHeight}px`;
  $("send").disabled = !busy() && !input.value.trim();
}

// --- the panel and the head -------------------------------------------------------------------------------------

const tabs = { shop: h("div", { class: "tab-body" }), tools: h("div", { class: "tab-body" }) };
const shop = new Shop(tabs.shop);
const isWide = () => matchMedia("(min-width: 1000px)").matches;
const panelShown = () => (isWide() ? document.documentElement.dataset.panel !== "closed" : document.documentElement.classList.contains("panel-open"));

function drawPanel() {
  const chosen = settings.get("tab") === "tools" ? "tools" : "shop";
  const pick = (name) => (settings.set("tab", name), drawPanel(), $(`tab-${name}`).focus());
  const heads = Object.keys(tabs).map((name) => {
    const tab = h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `body-${name}`, "aria-selected": String(name === chosen), tabindex: name === chosen ? "0" : "-1", onclick: () => pick(name) }, t(name === "shop" ? "tabShop" : "tabTools"));
    tab.addEventListener("keydown", ({ key }) => key.startsWith("Arrow") && pick(name === "shop" ? "tools" : "shop"));
    Object.assign(tabs[name], { id: `body-${name}`, hidden: name !== chosen });
    tabs[name].setAttribute("role", "tabpanel");
    tabs[name].setAttribute("aria-labelledby", `tab-${name}`);
    return tab;
  });
  $("panel").replaceChildren(h("div", { class: "tabs", role: "tablist" }, heads), tabs.shop, tabs.tools);
  shop.activate(chosen === "shop" && panelShown());
}

function toggle(part, narrow) {
  const root = document.documentElement;
  if (narrow) root.classList.toggle(`${part}-open`);
  else {
    const closed = root.dataset[part] === "closed";
    root.dataset[part] = closed ? "open" : "closed";
    settings.set(`${part}Closed`, !closed);
  }
  drawPanel();
  labelToggles();
}

function labelToggles() {
  for (const [id, key] of [["side-toggle", "conversations"], ["panel-toggle", "panel"]]) {
    $(id).title = t(key);
    $(id).setAttribute("aria-label", t(key));
  }
}

function closeDrawers() {
  document.documentElement.classList.remove("side-open", "panel-open");
  drawPanel();
}

function worldChanged() {
  const { online, model, servers } = world;
  const model_ = $("model");
  model_.textContent = model.demo ? t("demoChip") : model.name;
  model_.classList.toggle("warn", model.demo);
  const up = servers.filter(({ status }) => status === "ready").length;
  const health = $("health");
  health.replaceChildren(h("i", { class: "dot" }), t("nServers", { n: up, m: servers.length }));
  health.dataset.status = !online ? "down" : up === servers.length ? "ready" : down().length ? "down" : "connecting";
  $("banner").replaceChildren(...problems().map((text) => h("p", {}, icon("alert"), text)));
  drawModelNote();
  drawTools(tabs.tools);
  shop.draw();
  if (!item.entries.length) $("scroll").replaceChildren(emptyState());
}

const problems = () => (world.online ? down().map(({ name, error }) => t("serverDown", { name, error: error ?? "" })) : [t("offline")]);

function relabel() {
  label();
  labelToggles();
  sidebar.label();
  drawSettings(() => item, relabel);
  drawPanel();
  worldChanged();
  for (const [id, shown] of views) if (!turns.has(id)) shown.render();
  if (item.entries.length && !busy()) explain(item);
  redraw();
}

const sidebar = new Sidebar(conversations, {
  current: () => item.id,
  open: (id) => show(conversations.items.get(id)),
  create: start,
  save: (mine) => (conversations.save(mine), redraw()),
  remove: (mine) => {
    turns.get(mine.id)?.stop();
    conversations.remove(mine.id);
    if (mine.id === item.id) start();
    else redraw();
  },
});

function listen() {
  $("composer").addEventListener("submit", (event) => (event.preventDefault(), send()));
  $("input").addEventListener("keydown", onKey);
  $("input").addEventListener("input", grow);
  $("scroll").addEventListener("scroll", onScroll, { passive: true });
  $("to-end").addEventListener("click", () => (follow(true), $("input").focus()));
  $("side-toggle").addEventListener("click", () => toggle("side", !matchMedia("(min-width: 1280px)").matches));
  $("panel-toggle").addEventListener("click", () => toggle("panel", !isWide()));
  $("scrim").addEventListener("click", closeDrawers);
  $("health").addEventListener("click", () => (settings.set("tab", "tools"), panelShown() ? drawPanel() : toggle("panel", !isWide())));
  document.addEventListener("keydown", ({ key }) => key === "Escape" && closeDrawers());
  world.addEventListener("change", worldChanged);
}

async function main() {
  listen();
  show(item);
  relabel();
  const known = watch();
  await conversations.open();
  const kept = conversations.items.get(settings.get("current"));
  if (kept && !item.entries.length) show(kept);
  else redraw();
  await known;
  $("input").focus();
}

main();
