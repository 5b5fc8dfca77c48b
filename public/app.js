// The page's controller: which conversation is open, and where the eye and the keyboard are.
import {promptText} from "./api.js";
import {$, bind, h, icon, isEnter, toast} from "./dom.js";
import {label, t, words} from "./i18n.js";
import {initSettings} from "./settings.js";
import {refreshShop, watchShop} from "./shop.js";
import {makeSidebar, titleOf} from "./sidebar.js";
import {Conversations, newConversation, set, settings} from "./store.js";
import {Talk} from "./talk.js";
import {drawTools, fillPrompt} from "./tools.js";
import {watch, world} from "./world.js";

const NEAR_END_PX = 60;
const SPOKEN_CHARS = 400;

const kept = new Conversations({
	onproblem: problem => toast(t(problem)),
	isBusy: item => talks.get(item)?.stop,
	onchange(item) {
		const {scrollTop} = scroll;
		talks.get(item)?.show();
		scroll.scrollTop = scrollTop;
		draw();
		follow(atEnd);
	},
});
const talks = new Map(); // by item: the open one, and those still answering
const left = settings.current; // what was open when the page was left
let talk;
let atEnd = true;
let lastTop = 0;

const [input, submit, scroll, empty, toEnd] = ["input", "send", "scroll", "empty", "to-end"].map($);
const say = text => ($("live").textContent = text); // to a screen reader

const page = {
	save: item => item.removed || kept.save(item),
	begun(mine) {
		if (mine !== talk) return;
		say(t("thinking"));
		input.focus({preventScroll: true});
		follow(true);
		draw();
	},
	ended(mine, reason) {
		if (mine === talk && reason === "stop") say(t("answered") + mine.view.spoken().slice(0, SPOKEN_CHARS));
		draw();
	},
	// The keyboard goes to the confirmation, unless something is being typed.
	asked(mine, card) {
		if (mine !== talk) return;
		follow(atEnd);
		say(t("askedYou") + (card.call.title || card.call.tool));
		if ([document.body, input, submit].includes(document.activeElement) && !input.value) card.focus();
	},
};

function open(item) {
	for (const {item, stop} of talks.values()) if (!stop) talks.delete(item);
	if (!talks.has(item)) talks.set(item, new Talk(item, page));
	talk = talks.get(item);
	scroll.replaceChildren(empty, talk.view.root);
	growing.disconnect();
	growing.observe(talk.view.root);
	$("side").hidePopover();
	draw();
	follow(true);
}

function draw() {
	const {item, stop} = talk;
	const begun = item.entries.length > 0;
	empty.hidden = begun;
	$("title").textContent = document.title = begun ? titleOf(item) : t("app");
	set("current", begun ? item.id : "");
	const action = stop ? "stop" : "send";
	submit.replaceChildren(icon(action));
	submit.ariaLabel = submit.title = t(action);
	submit.classList.toggle("stop", !!stop);
	allow();
	drawSidebar();
}

function stay(yes) {
	atEnd = yes;
	toEnd.hidden = yes || !empty.hidden;
	scroll.style.overflowAnchor = yes ? "none" : ""; // its corrections look like moving up
}

function follow(yes) {
	stay(yes);
	if (yes && empty.hidden) scroll.scrollTop = scroll.scrollHeight;
	lastTop = scroll.scrollTop; // what had shrunk is no moving up
}

const growing = new ResizeObserver(() => follow(atEnd));

function onScroll() {
	const {scrollHeight, scrollTop, clientHeight} = scroll;
	// Only moving up leaves the end: the answer may have grown meanwhile.
	stay(scrollHeight - scrollTop - clientHeight < NEAR_END_PX || (atEnd && scrollTop >= lastTop));
	lastTop = scrollTop;
}

function send(event) {
	event.preventDefault();
	const text = input.value.trim();
	if (talk.stop && event.type === "submit") talk.stop.abort();
	if (talk.stop || !text) return;
	input.value = "";
	talk.ask(text);
}

const allow = () => (submit.disabled = !talk.stop && !input.value.trim());

function drawWorld() {
	const {online, model, servers} = world;
	const up = servers.filter(({status}) => status === "ready").length;
	const down = servers.filter(({status}) => status === "down");
	const problems = online ? down.map(server => t("serverDown", server)) : [t("offline")];
	$("demo").hidden = !model.demo;
	$("model").textContent = model.demo ? t("demoChip") : (model.name ?? "…");
	$("model").classList.toggle("warn", !!model.demo);
	$("health").replaceChildren(h("i.dot"), t("nServers", {n: up, m: servers.length}));
	$("health").dataset.status = problems.length ? "down" : up === servers.length ? "ready" : "connecting";
	$("banner").replaceChildren(...problems.map(text => h("p", icon("unknown"), text)));
	drawStarters();
	drawTools($("tools"));
}

function drawStarters() {
	const starter = (name, question, onclick) => h("button.starter", {onclick}, h("small", name), question);
	$("starters").replaceChildren(
		...words().starters.map(([name, question]) => starter(name, question, () => talk.ask(question))),
		...world.prompts.map(prompt => starter(`${prompt.title} · ${prompt.server}`, prompt.description, () => begin(prompt))),
	);
}

/** One without arguments is asked as it is; another is filled in first, and can still be changed. */
function begin(prompt) {
	if (Object.keys(prompt.input_schema.properties).length) fillPrompt(prompt, write);
	else promptText(prompt).then(text => talk.ask(text), ({message}) => talk.view.note(message));
}

function write(text) {
	input.value = text;
	allow();
	input.focus();
}

function speak() {
	label();
	open(talk?.item ?? newConversation());
	drawWorld();
}

const drawSidebar = makeSidebar(kept, {
	current: () => talk.item,
	open,
	create: () => (open(newConversation()), input.focus()),
	save(item) {
		item.removed = false;
		kept.save(item);
		draw();
	},
	remove(item) {
		item.removed = true; // its answer may still be ending
		talks.get(item)?.stop?.abort();
		kept.remove(item.id);
		if (item === talk.item) open(newConversation());
		else draw();
	},
});

speak();
$("composer").onsubmit = send;
input.addEventListener("keydown", event => isEnter(event) && send(event));
input.oninput = allow;
scroll.onscroll = onScroll;
toEnd.onclick = () => (follow(true), input.focus());
bind("tab", settings.tab ?? "shop", tab => set("tab", tab));
$("health").onclick = () => {
	document.querySelector("[value=tools]").click();
	if (!$("panel").checkVisibility()) $("panel").showPopover();
};
initSettings(
	() => talk.item,
	() => (speak(), refreshShop(true)),
);
watch(() => {
	refreshShop();
	drawWorld();
});
watchShop();
await kept.open();
const before = kept.items.get(left);
if (before && !talk.item.entries.length) open(before);
drawSidebar();
input.focus();
