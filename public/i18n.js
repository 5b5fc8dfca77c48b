// Words of zh.json or en.json; numbers, money and times by locale.
import en from "./en.json" with {type: "json"};
import zh from "./zh.json" with {type: "json"};

export const root = document.documentElement;
export const words = () => (root.lang === "en" ? en : zh);

export const t = (key, fill = {}) => (words()[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => fill[name]);

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
