// What a conversation can begin with: the page's own questions, and the servers' prompts.
import {status} from "./backend.js";
import {$, h} from "./elements.js";
import {localised, t, words} from "./i18n.js";
import {switches} from "./switches.js";

/**
 * Show them in place: one may just be pressed.
 * @param {Params | null} offer a product that the shop has @param {(question: string) => void} ask
 * @param {(prompt: Prompt) => void} begin
 */
export function showStarters(offer, ask, begin) {
	const isOff = switches();
	const own = words().starters.map(([name, general, about = general]) => {
		const question = offer ? t(about, offer) : general;
		return {name, text: question, onclick: () => ask(question)};
	});
	const prompts = status.prompts.filter(({server, name}) => !isOff({server, prompt: name}));
	const others = prompts.map(prompt => ({
		name: `${localised(prompt.title)} · ${prompt.server}`,
		text: localised(prompt.description),
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
