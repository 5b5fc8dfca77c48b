// The page's controller: which conversation is open, who may speak, and where the eye and the keyboard are.
import { $, bind, h, icon, isEnter, toast } from "./dom.js";
import { label, lang, setLang, starters, t } from "./i18n.js";
import { drawAllowed, initSettings } from "./settings.js";
import { refreshShop, watchShop } from "./shop.js";
import { makeSidebar, titleOf } from "./sidebar.js";
import { Conversations, newConversation, set, setAlways, settings } from "./store.js";
import { drawTools } from "./tools.js";
import { mustKeep, openCalls, runTurn, standing, stateOf } from "./turn.js";
import { View } from "./view.js";
import { watch, world } from "./world.js";

const TITLE_CHARS = 40;
const NEAR_END_PX = 60;

const conversations = new Conversations(() => toast(t("notKept")));
const running = new Map(); // conversation -> the AbortController of its answer
const views = new Map(); // conversation -> its view: the open one, and those still answering
const root = document.documentElement;
const left = settings.current; // the conversation that was open when the page was left
let item = newConversation();
let atEnd = true;
let lastTop = 0; // where the conversation was scrolled to

const busy = () => running.has(item);
const say = (text) => ($("live").textContent = text); // to a screen reader, and nobody else

// --- the conversation -------------------------------------------------------------------------------------------

const actionsFor = (mine) => ({
  copy: (text) => navigator.clipboard.writeText(text).then(() => toast(t("copied"))),
  save: () => conversations.save(mine),
  resume: () => answer(mine),
  decide: (...choice) => decide(mine, ...choice),
  asked: (card) => mine === item && asked(card),
  edit: (index, text) => edit(mine, index, text),
  regenerate: () => reask(mine, mine.entries.findLastIndex(({ message }) => message.role === "user") + 1),
});

function viewOf(mine) {
  if (!views.has(mine)) views.set(mine, new View(mine, actionsFor(mine)));
  return views.get(mine);
}

function open(mine) {
  for (const shown of views.keys()) if (!running.has(shown)) views.delete(shown);
  item = mine;
  set("current", mine.entries.length ? mine.id : "");
  $("empty").hidden = mine.entries.length > 0;
  $("scroll").replaceChildren($("empty"), viewOf(mine).root);
  if (!busy()) explain(mine);
  growing.disconnect();
  growing.observe(viewOf(mine).root);
  follow(true);
  closeDrawers();
  draw();
}

function draw() {
  const title = item.entries.length ? titleOf(item) : t("app");
  $("title").textContent = document.title = title;
  $("send").replaceChildren(icon(busy() ? "stop" : "send"));
  $("send").ariaLabel = $("send").title = t(busy() ? "stop" : "send");
  $("send").classList.toggle("stop", busy());
  $("send").disabled = !busy() && !$("input").value.trim();
  drawSidebar();
}

function ask(text) {
  settle(item);
  item.title ||= text.replace(/\s+/g, " ").slice(0, TITLE_CHARS);
  item.entries.push({ message: { role: "user", content: text } });
  if (item.entries.length === 1) open(item);
  else viewOf(item).question(item.entries.at(-1));
  follow(true);
  answer(item);
}

/** A new question ends what was still open: the unconfirmed is refused, the interrupted stays unknown. */
function settle(mine) {
  for (const id of openCalls(mine)) {
    const state = stateOf(mine, id);
    if (state === "waiting") mine.approvals[id] = false;
    if (state !== "unknown") continue;
    Object.assign(mine.calls[id], { result: t("unknownText"), unknown: true });
    mine.entries.push({ message: { role: "tool", tool_call_id: id, content: t("unknownText") } });
  }
}

async function answer(mine) {
  if (running.has(mine)) return;
  const view = viewOf(mine);
  const stop = new AbortController();
  running.set(mine, stop);
  mine.at = Date.now();
  conversations.save(mine);
  view.begin();
  say(t("thinking"));
  draw();
  const { reason, detail } = await runTurn(mine, view, () => conversations.save(mine), stop.signal);
  running.delete(mine);
  view.finish();
  explain(mine, reason, detail);
  if (reason === "stop" && mine === item) say(t("answered") + view.spoken());
  draw();
}

/** Say how the newest answer stands: as it just ended, or as it is found after a reload. */
function explain(mine, reason, detail) {
  if (!mine.entries.length) return;
  const state = standing(mine);
  const error = reason === "error";
  const again = { label: t(error ? "tryAgain" : "continue"), action: () => answer(mine), error };
  if (error) viewOf(mine).note(detail, again);
  else if (reason === "rounds") viewOf(mine).note(t("rounds"), again);
  else if (state === "cut") viewOf(mine).note(t(reason === "stopped" ? "stopped" : "interrupted"), again);
  else if (reason === "stopped" && state === "whole") viewOf(mine).note(t("stopped"));
}

function decide(mine, id, yes, forEver) {
  if (running.has(mine) || id in mine.approvals) return;
  const { server, tool } = mine.calls[id];
  mine.approvals[id] = yes;
  if (yes && forEver) setAlways(`${server}/${tool}`, true);
  drawAllowed();
  conversations.save(mine);
  $("input").focus({ preventScroll: true });
  const waits = standing(mine) === "waiting";
  if (!waits) answer(mine);
  else if (yes) viewOf(mine).cardOf(id).chosen();
  else viewOf(mine).cardOf(id).update();
}

/** A confirmation is on the screen: the keyboard goes there, unless something is being typed. */
function asked(card) {
  follow(atEnd);
  say(t("askedYou") + card.look()[0].title);
  if ([document.body, $("input"), $("send")].includes(document.activeElement) && !$("input").value) card.focus();
}

function reask(mine, from, question) {
  if (running.has(mine)) return;
  mine.entries.length = from < 0 ? mine.entries.length : mustKeep(mine, from);
  if (question) mine.entries.push({ message: { role: "user", content: question } });
  viewOf(mine).render();
  follow(true);
  answer(mine);
}

function edit(mine, index, text) {
  settle(mine);
  const kept = mustKeep(mine, index) > index;
  if (kept) toast(t("keptPurchase"));
  reask(mine, kept ? -1 : index, text);
}

// --- the screen -------------------------------------------------------------------------------------------------

/** Keep the end in sight while it grows, but only for someone who is there. */
function follow(yes) {
  atEnd = yes;
  if (yes && item.entries.length) $("scroll").scrollTop = $("scroll").scrollHeight;
  $("to-end").hidden = yes || !item.entries.length;
}

const growing = new ResizeObserver(() => follow(atEnd));

function onScroll() {
  const { scrollHeight, scrollTop, clientHeight } = $("scroll");
  // Only moving up leaves the end: an answer may have grown since the scroll that this event reports.
  atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX || (atEnd && scrollTop >= lastTop);
  lastTop = scrollTop;
  $("to-end").hidden = atEnd || !item.entries.length;
}

function send(event) {
  event.preventDefault();
  const text = $("input").value.trim();
  if (busy() && event.type === "submit") running.get(item).abort();
  if (busy() || !text) return;
  $("input").value = "";
  grow();
  ask(text);
}

function grow() {
  $("input").style.height = "auto";
  $("input").style.height = `${$("input").scrollHeight}px`;
  $("send").disabled = !busy() && !$("input").value.trim();
}

function closeDrawers() {
  if (getComputedStyle($("scrim")).display !== "none") root.classList.remove("flip-side", "flip-panel");
}

function drawWorld() {
  const { online, model, servers } = world;
  const up = servers.filter(({ status }) => status === "ready").length;
  const down = servers.filter(({ status }) => status === "down");
  const problems = online ? down.map((server) => t("serverDown", server)) : [t("offline")];
  $("model").textContent = model.demo ? t("demoChip") : (model.name ?? "…");
  $("model").classList.toggle("warn", Boolean(model.demo));
  $("health").replaceChildren(h("i.dot"), t("nServers", { n: up, m: servers.length }));
  $("health").dataset.status = problems.length ? "down" : up === servers.length ? "ready" : "connecting";
  $("banner").replaceChildren(...problems.map((text) => h("p", icon("alert"), text)));
  const how = model.demo ? [...document.querySelector(".demo").cloneNode(true).childNodes] : [h("strong", `${t("modelTitle")} ${model.name}`), h("p", t("modelHow"))];
  $("model-note").replaceChildren(...how);
  document.querySelector(".demo").hidden = !model.demo;
  drawTools($("tools"));
  refreshShop();
}

/** Draw everything in `language`, or in the one that holds. */
async function speak(language) {
  await setLang(language);
  label();
  $("starters").replaceChildren(...starters().map(([name, question]) => h("button.starter", { onclick: () => ask(question) }, h("small", name), h("span", question))));
  drawAllowed();
  drawWorld();
  refreshShop(true);
  for (const [mine, view] of views) if (!running.has(mine)) view.render();
  open(item);
}

const drawSidebar = makeSidebar(conversations, {
  current: () => item.id,
  open: (id) => open(conversations.items.get(id)),
  create: () => (open(newConversation()), $("input").focus()),
  save: (mine) => (conversations.save(mine), draw()),
  remove(mine) {
    running.get(mine)?.abort();
    conversations.remove(mine.id);
    if (mine === item) open(newConversation());
    else draw();
  },
});

function listen() {
  $("composer").onsubmit = send;
  $("input").addEventListener("keydown", (event) => isEnter(event) && send(event));
  $("input").oninput = grow;
  $("scroll").onscroll = onScroll;
  $("to-end").onclick = () => (follow(true), $("input").focus());
  // On a wide screen the class hides the column, on a narrow one it pulls out the drawer (style.css).
  $("side-toggle").onclick = () => root.classList.toggle("flip-side");
  $("panel-toggle").onclick = () => root.classList.toggle("flip-panel");
  $("scrim").onclick = closeDrawers;
  document.addEventListener("keydown", ({ key }) => key === "Escape" && closeDrawers());
  bind("tab", settings.tab ?? "shop", (tab) => set("tab", tab));
  $("health").onclick = () => {
    document.querySelector("[value=tools]").click();
    if (!$("panel").checkVisibility({ visibilityProperty: true })) $("panel-toggle").click();
  };
  initSettings(() => item, speak);
  world.addEventListener("change", drawWorld);
}

async function main() {
  await speak();
  listen();
  watch();
  watchShop();
  await conversations.open();
  const kept = conversations.items.get(left);
  if (kept && !item.entries.length) open(kept);
  draw();
  $("input").focus();
}

main();
