// Tool results as rows and cells for people. Only data: result-view.js draws it.
import {formatMoney, formatNumber, formatTime, localised, t, textOf, words} from "./i18n.js";

/** @typedef {{key: string, label: string, isNumeric: boolean}} Column */

const MAX_ROWS = 100;
const MAX_NESTED = 80; // characters of a list or object within a cell
const MONEY = ["price", "totalAmount", "amount", "average"];
/** @type {Map<unknown, string>} names seen so far, for orders, which carry only ids */
const productNames = new Map();

/** @type {(text: string) => unknown} undefined where it is no JSON */
export function parseJson(text) {
	try {
		return JSON.parse(text);
	} catch {}
}

/** @param {unknown} value @returns {value is Row} */
export const isObject = value => typeof value === "object" && value !== null && !Array.isArray(value);

/** A result as data: all of it, or its first line, behind which a note may follow. @param {string} text */
export const dataOf = text => parseJson(text) ?? parseJson(text.split("\n", 1)[0]);

/** The list of `[…]` or `{"result": […]}`, if it holds objects only. @param {string} text */
export function rowsOf(text) {
	const value = dataOf(text);
	const list = isObject(value) && Object.keys(value).length === 1 ? value.result : value;
	return Array.isArray(list) && list.every(isObject) ? list : null;
}

/** Put a nested product's fields into its row, and remember its name. @param {Row[]} rows */
export function flattenProducts(rows) {
	return rows.map(({product, ...rest}) => {
		const {id: productId, ...more} = isObject(product) ? product : {};
		const row = product ? {productId, ...more, ...rest} : rest;
		if ("price" in row) productNames.set(row.productId ?? row.id, textOf(row.name));
		return row;
	});
}

/** @param {unknown} id */
export const productName = id => productNames.get(id) ?? `#${id}`;

/** @param {unknown} id */
export const isNamed = id => productNames.has(id);

/** @param {any} item any: whatever a model or a tool said @returns {item is OrderLine} */
export const isOrderLine = item =>
	Number.isSafeInteger(item?.productId) && Number.isSafeInteger(item?.quantity);

/** @param {string} key @param {number} value */
function numberText(key, value) {
	if (MONEY.includes(key)) return formatMoney(value);
	return /id$/i.test(key) ? `${value}` : formatNumber(value);
}

/** @param {string} key @param {string} value */
function wordOf(key, value) {
	if (key === "status" && ["placed", "cancelled"].includes(value)) return t(`status_${value}`);
	return key === "orderDate" ? formatTime(value) : key === "label" ? localised(value) : value;
}

/** @param {string} key @param {unknown} value */
export function cellText(key, value) {
	if (typeof value === "number") return numberText(key, value);
	if (typeof value === "string") return wordOf(key, value);
	if (Array.isArray(value) && value.every(isOrderLine)) {
		return value.map(item => `${productName(item.productId)} × ${formatNumber(item.quantity)}`).join("\n");
	}
	const text = textOf(value ?? "");
	return text.length > MAX_NESTED ? `${text.slice(0, MAX_NESTED)}…` : text;
}

/** A row's own field, whatever its name. @type {(row: Row, key: string) => unknown} */
const fieldOf = (row, key) => (Object.hasOwn(row, key) ? row[key] : undefined);

/** Columns, cells and how many rows are left out: known columns first, in their order. @param {Row[]} list */
export function tableOf(list) {
	const rows = flattenProducts(list.slice(0, MAX_ROWS));
	/** @type {Record<string, string>} */
	const labels = words().columns;
	const keys = [...new Set([...Object.keys(labels), ...rows.flatMap(Object.keys)])].filter(key =>
		rows.some(row => Object.hasOwn(row, key)),
	);
	/** @type {Column[]} */
	const columns = keys.map(key => ({
		key,
		label: Object.hasOwn(labels, key) ? labels[key] : key,
		isNumeric: rows.every(row => typeof (fieldOf(row, key) ?? 0) === "number"),
	}));
	const cells = rows.map(row => keys.map(key => cellText(key, fieldOf(row, key))));
	return {columns, cells, omitted: list.length - rows.length};
}
