// Words from zh.json or en.json, and numbers, money and times as each language writes them.
import {set, settings} from "./store.js";

let words = {};
let made = {}; // formatters are slow to make

export const lang = () => settings.lang || (navigator.language.startsWith("zh") ? "zh" : "en");

export async function setLang(value) {
	if (value) set("lang", value);
	words = await (await fetch(`/static/${lang()}.json`)).json();
	made = {};
	document.documentElement.lang = lang() === "zh" ? "zh-CN" : "en";
}

/** The word for `key`, with `{name}` filled in. */
export const t = (key, fill = {}) => (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => fill[name]);
export const column = key => words.columns[key] ?? key;
export const starters = () => words.starters;

const OPTIONS = {
	number: {useGrouping: "min2", maximumFractionDigits: 6},
	money: {style: "currency", currency: "CNY", currencyDisplay: "narrowSymbol", useGrouping: "min2"},
	time: {month: "short", day: "numeric", hour: "2-digit", minute: "2-digit"},
};

function format(kind, value) {
	const Format = kind === "time" ? Intl.DateTimeFormat : Intl.NumberFormat;
	made[kind] ??= new Format(document.documentElement.lang, OPTIONS[kind]);
	return made[kind].format(value);
}

export const number = value => format("number", value);
export const money = value => format("money", value);
export const time = text => (Date.parse(text) ? format("time", new Date(text)) : text);

/** Put the language into everything in index.html that names a word. */
export function label() {
	for (const item of document.querySelectorAll("[data-t]")) item.textContent = t(item.dataset.t);
	for (const item of document.querySelectorAll("[data-label]")) {
		item.ariaLabel = t(item.dataset.label);
		if (item.matches("button")) item.title = item.ariaLabel;
		if (item.matches("textarea")) item.placeholder = item.ariaLabel;
	}
}
