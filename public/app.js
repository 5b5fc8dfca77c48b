// The page's controller: which conversation is open, who may speak, and where the eye and the keyboard are.
import {$, bind, h, icon, isEnter, toast} from "./dom.js";
import {label, setLang, starters, t} from "./i18n.js";
import {drawAllowed, initSettings} from "./settings.js";
import {refreshShop, watchShop} from "./shop.js";
import {makeSidebar, titleOf} from "./sidebar.js";
import {Conversations, newConversation, set, settings} from "./store.js";
import {Talk} from "./talk.js";
import {drawTools} from "./tools.js";
import {watch, world} from "./world.js";

const NEAR_END_PX = 60;
const SPOKEN_CHARS = 400;

const conversations = new Conversations(() => toast(t("notKept")));
const talks = new Map(); // by id: the open one, and those still answering
const root = document.documentElement;
const left = settings.current; // the conversation that was open when the page was left
let talk;
let atEnd = true;
let lastTop = 0; // where the conversation was scrolled to

const say = text => ($("live").textContent = text); // to a screen reader, and nobody else

const page = {
	save: item => conversations.save(item),
	changed: drawAllowed,
	begun(mine) {
		if (mine !== talk) return;
		say(t("thinking"));
		$("input").focus({preventScroll: true});
		follow(true);
		draw();
	},
	ended(mine, reason) {
		if (mine === talk && reason === "stop") say(t("answered") + mine.view.spoken().slice(0, SPOKEN_CHARS));
		draw();
	},
	/** A confirmation is on the screen: the keyboard goes there, unless something is being typed. */
	asked(mine, card) {
		if (mine !== talk) return;
		follow(atEnd);
		say(t("askedYou") + (card.call.title || card.call.tool));
		if ([document.body, $("input"), $("send")].includes(document.activeElement) && !$("input").value) card.focus();
	},
};

function open(item) {
	for (const [id, {stop}] of talks) if (!stop) talks.delete(id);
	if (!talks.has(item.id)) talks.set(item.id, new Talk(item, page));
	talk = talks.get(item.id);
	$("scroll").replaceChildren($("empty"), talk.view.root);
	growing.disconnect();
	growing.observe(talk.view.root);
	closeDrawers();
	draw();
	follow(true);
}

function draw() {
	const {item, stop} = talk;
	const begun = item.entries.length > 0;
	$("empty").hidden = begun;
	$("title").textContent = document.title = begun ? titleOf(item) : t("app");
	set("current", begun ? item.id : "");
	$("send").replaceChildren(icon(stop ? "stop" : "send"));
	$("send").ariaLabel = $("send").title = t(stop ? "stop" : "send");
	$("send").classList.toggle("stop", Boolean(stop));
	grow();
	drawSidebar();
}

/** Keep the end in sight while it grows, but only for someone who is there. */
function follow(yes) {
	atEnd = yes;
	if (yes && $("empty").hidden) $("scroll").scrollTop = $("scroll").scrollHeight;
	$("to-end").hidden = yes || !$("empty").hidden;
}

const growing = new ResizeObserver(() => follow(atEnd));

function onScroll() {
	const {scrollHeight, scrollTop, clientHeight} = $("scroll");
	// Only moving up leaves the end: an answer may have grown since the scroll that this event reports.
	atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX || (atEnd && scrollTop >= lastTop);
	lastTop = scrollTop;
	$("to-end").hidden = atEnd || !$("empty").hidden;
}

function send(event) {
	event.preventDefault();
	const text = $("input").value.trim();
	if (talk.stop && event.type === "submit") talk.stop.abort();
	if (talk.stop || !text) return;
	$("input").value = "";
	talk.ask(text);
}

function grow() {
	const input = $("input");
	input.style.height = "auto";
	input.style.height = `${input.scrollHeight}px`;
	$("send").disabled = !talk.stop && !input.value.trim();
}

function closeDrawers() {
	if (getComputedStyle($("scrim")).display !== "none") root.classList.remove("flip-side", "flip-panel");
}

function drawWorld() {
	const {online, model, servers} = world;
	const up = servers.filter(({status}) => status === "ready").length;
	const down = servers.filter(({status}) => status === "down");
	const problems = online ? down.map(server => t("serverDown", server)) : [t("offline")];
	const [demo] = document.getElementsByClassName("demo");
	demo.hidden = !model.demo;
	$("model").textContent = model.demo ? t("demoChip") : (model.name ?? "…");
	$("model").classList.toggle("warn", Boolean(model.demo));
	$("model-note").replaceChildren(...(model.demo ? demo.cloneNode(true).childNodes : [model.name ?? "", h("p", t("modelHow"))]));
	$("health").replaceChildren(h("i.dot"), t("nServers", {n: up, m: servers.length}));
	$("health").dataset.status = problems.length ? "down" : up === servers.length ? "ready" : "connecting";
	$("banner").replaceChildren(...problems.map(text => h("p", icon("alert"), text)));
	drawTools($("tools"));
	refreshShop();
}

/** Draw everything in `language`, or in the one that holds. */
async function speak(language) {
	await setLang(language);
	label();
	const ask = question => () => talk.ask(question);
	$("starters").replaceChildren(...starters().map(([name, question]) => h("button.starter", {onclick: ask(question)}, h("small", name), question)));
	drawAllowed();
	drawWorld();
	refreshShop(true);
	open(talk?.item ?? newConversation());
}

const drawSidebar = makeSidebar(conversations, {
	current: () => talk.item,
	open,
	create: () => (open(newConversation()), $("input").focus()),
	save: item => (conversations.save(item), draw()),
	remove(item) {
		talks.get(item.id)?.stop?.abort();
		conversations.remove(item.id);
		if (item === talk.item) open(newConversation());
		else draw();
	},
});

function listen() {
	$("composer").onsubmit = send;
	$("input").addEventListener("keydown", event => isEnter(event) && send(event));
	$("input").oninput = grow;
	$("scroll").onscroll = onScroll;
	$("to-end").onclick = () => (follow(true), $("input").focus());
	// On a wide screen the class hides the column, on a narrow one it pulls out the drawer (style.css).
	$("side-toggle").onclick = () => root.classList.toggle("flip-side");
	$("panel-toggle").onclick = () => root.classList.toggle("flip-panel");
	$("scrim").onclick = closeDrawers;
	document.addEventListener("keydown", ({key}) => key === "Escape" && closeDrawers());
	bind("tab", settings.tab ?? "shop", tab => set("tab", tab));
	$("health").onclick = () => {
		document.querySelector("[value=tools]").click();
		if (!$("panel").checkVisibility({visibilityProperty: true})) $("panel-toggle").click();
	};
	initSettings(() => talk.item, speak);
	world.addEventListener("change", drawWorld);
}

async function main() {
	await speak();
	listen();
	watch();
	watchShop();
	await conversations.open();
	const kept = conversations.items.get(left);
	if (kept && !talk.item.entries.length) open(kept);
	drawSidebar();
	$("input").focus();
}

main();
