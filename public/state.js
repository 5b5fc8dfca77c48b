// What the page shows beside the panel of the back end's state: which servers answer and what waits for a person, in the
// header and the banner, and what a conversation can begin with.
import {status} from "./backend.js";
import {$, button, h, icon} from "./elements.js";
import {beginningOf, readable} from "./exact-text.js";
import {failureText, localised, t, words} from "./i18n.js";
import {switches} from "./preferences.js";

const [MAX_TITLE_CHARS, MAX_ABOUT_CHARS] = [80, 200]; // of a server's prompt, and of what does not work
const MAX_PROBLEMS = 2; // that are told beside the conversation

/** Open the panel at what waits there. */
export function showServers() {
	$("tab-tools").click();
	if (!$("panel").checkVisibility()) $("panel").showPopover();
	document.querySelector(".fault, [data-status=untrusted], [data-status=sign_in]")?.scrollIntoView();
}

/** What does not work, in sentences. @returns {string[]} */
function problemsOf() {
	const {online, servers} = status;
	if (!online) return [t("offline")];
	const down = servers.filter(server => server.status === "down");
	return [
		...down.map(server => t("serverDown", {name: server.name, error: failureText(server)})),
		...servers.filter(({shopAway}) => shopAway).map(({name}) => t("shopAway", {name})),
	];
}

/** Those of which the model is offered something: neither the file nor the reader has switched all of it off. */
function wantedServers() {
	const {servers, tools} = status;
	const isOff = switches();
	return servers.filter(({name, status}) => {
		const own = tools.filter(({server}) => server === name);
		return (
			status !== "disabled" && !(own.length ? own.every(tool => isOff(name, tool.name)) : isOff(name, ""))
		);
	});
}

let said = ""; // by the banner, which stays as long as it would say the same: its button may just be pressed

export function drawHealth() {
	const {model, servers, config} = status;
	const {length: wanted} = wantedServers();
	const ready = wantedServers().filter(server => server.status === "ready").length;
	const waiting = servers.filter(({status}) => status === "untrusted" || status === "sign_in");
	const problems = problemsOf();
	const health = ready && ready === wanted ? "ready" : wanted ? "connecting" : "none";
	$("demo").hidden = !model.demo;
	$("health").replaceChildren(h("i.dot"), t("nServers", {n: ready, m: wanted}));
	$("health").dataset.status = problems.length ? "down" : health;
	const more = problems.splice(MAX_PROBLEMS);
	const toLookAt = [
		more.length && t("moreDown", {n: more.length}),
		config && t("configBroken", {error: failureText(config)}),
		...waiting.map(({name, status}) => t(status === "sign_in" ? "signInWaits" : "commandWaits", {name})),
	].filter(Boolean);
	const now = JSON.stringify([problems, toLookAt]);
	if (now === said) return;
	said = now;
	$("banner").replaceChildren(
		...problems.map(text => h("p", icon("unknown"), beginningOf(text, MAX_ABOUT_CHARS))),
		...toLookAt.map(text => h("p.warn", icon("unknown"), readable(text), button(t("look"), showServers))),
	);
}

/** Which model answers in a conversation. @param {Conversation} conversation */
export function drawModel(conversation) {
	/** @type {Status["model"]} */
	const {demo = false, name = "…"} = conversation.model ?? status.model;
	$("model").textContent = demo ? t("demoChip") : name;
	$("model").classList.toggle("warn", demo);
}

/**
 * Show the page's own questions and the servers' prompts, in place: one may just be pressed.
 * @param {Params | null} offer a product that the shop has @param {(question: string) => void} ask
 * @param {(prompt: Prompt) => void} begin
 */
export function showStarters(offer, ask, begin) {
	const isOff = switches();
	const own = words().starters.map(([name, general, about = general]) => {
		const question = offer ? t(about, offer) : general;
		return {name, text: question, onclick: () => ask(question)};
	});
	const prompts = status.prompts.filter(({server, name}) => !isOff(server, name, "offPrompts"));
	const others = prompts.map(prompt => ({
		name: `${beginningOf(localised(prompt.title), MAX_TITLE_CHARS)} · ${readable(prompt.server)}`,
		text: beginningOf(localised(prompt.description), MAX_ABOUT_CHARS),
		onclick: () => begin(prompt),
	}));
	const list = $("starters");
	const all = [...own, ...others];
	while (list.children.length > all.length) list.lastChild?.remove();
	for (const [i, {name, text, onclick}] of all.entries()) {
		const button = list.children[i] ?? list.appendChild(h("button.starter"));
		Object.assign(button, {onclick}).replaceChildren(h("small", name), text);
	}
}
