// Words from zh.json or en.json; numbers, money and times by locale.
import {root} from "./dom.js";
import {set} from "./store.js";

export let words = {};
let spoken;
export const firstWords = new Promise(resolve => (spoken = resolve));

export const lang = () => root.lang.slice(0, 2);

export async function setLang(value) {
	if (value) {
		set("lang", value);
		root.lang = value === "zh" ? "zh-CN" : value;
	}
	words = await (await fetch(`/static/${lang()}.json`)).json();
	spoken();
}

export const t = (key, fill = {}) => (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => fill[name]);

const format = (value, options) => value.toLocaleString(root.lang, options);
const YUAN = {style: "currency", currency: "CNY", currencyDisplay: "narrowSymbol", useGrouping: "min2"};
const MINUTE = {month: "short", day: "numeric", hour: "2-digit", minute: "2-digit"};

export const number = value => format(value, {useGrouping: "min2", maximumFractionDigits: 6});
export const money = value => format(value, YUAN);
export const time = text => (Date.parse(text) ? format(new Date(text), MINUTE) : text);

export function label() {
	for (const item of document.querySelectorAll("[data-t]")) item.textContent = t(item.dataset.t);
	for (const item of document.querySelectorAll("[data-label]")) {
		item.ariaLabel = item.placeholder = t(item.dataset.label);
		if (item.matches("button")) item.title = item.ariaLabel;
	}
}
