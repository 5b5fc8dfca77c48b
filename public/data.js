// Tool results for people: lists as tables, other JSON indented. All of it stays text.
import {h} from "./dom.js";
import {money, number, t, time, words} from "./i18n.js";

const MAX_ROWS = 100;
const MONEY = ["price", "totalAmount", "amount"];
const names = new Map(); // product names seen so far, for orders that carry only ids

export function parse(text) {
	try {
		return JSON.parse(text);
	} catch {}
}

const isObject = value => value?.constructor === Object;

// A list is `[…]` or `{"result": […]}`.
export function rows(text) {
	const value = parse(text);
	const list = isObject(value) && Object.keys(value).length === 1 ? value.result : value;
	return Array.isArray(list) && list.every(isObject) ? list : null;
}

export function learn(list) {
	return list.map(({product, ...rest}) => {
		const {id: productId, ...more} = product ?? {};
		const row = product ? {productId, ...more, ...rest} : rest;
		if ("price" in row) names.set(row.productId ?? row.id, `${row.name}`);
		return row;
	});
}

export const productName = id => names.get(id) ?? `#${id}`;
export const isLine = item => Number.isInteger(item?.productId) && Number.isInteger(item?.quantity);

export function cell(key, value) {
	if (typeof value === "number") return MONEY.includes(key) ? money(value) : /id$/i.test(key) ? String(value) : number(value);
	if (key === "orderDate") return time(value);
	if (Array.isArray(value) && value.every(isLine)) {
		return value.map(item => `${productName(item.productId)} × ${number(item.quantity)}`).join("\n");
	}
	return typeof value === "string" ? value : JSON.stringify(value ?? "").replace('""', "");
}

export function table(list) {
	if (!list.length) return h("p.quiet", t("emptyList"));
	const shown = learn(list.slice(0, MAX_ROWS));
	const known = Object.keys(words().columns);
	const keys = [...new Set([...known, ...shown.flatMap(Object.keys)])].filter(key => shown.some(row => key in row));
	const numeric = keys.map(key => (shown.every(row => typeof (row[key] ?? 0) === "number") ? ".num" : ""));
	const head = keys.map((key, i) => h(`th${numeric[i]}`, {scope: "col"}, words().columns[key] ?? key));
	const body = shown.map(row => h("tr", keys.map((key, i) => h(`td${numeric[i]}`, cell(key, row[key])))));
	const rest = list.length - shown.length;
	const note = rest > 0 && h("p.quiet", t("rest", {n: rest}));
	return h(".wide", {tabIndex: 0}, h("table", h("thead", h("tr", head)), h("tbody", body)), note);
}

export const json = value => h("pre", {tabIndex: 0}, typeof value === "string" ? value : JSON.stringify(value, null, 2));

export function show(text) {
	const list = rows(text);
	const raw = json(parse(text) ?? text);
	return list ? h("", table(list), h("details.raw", h("summary", t("raw")), raw)) : raw;
}
