// Tool results for people: lists as tables, other JSON indented, everything else as it is. All of it is text.
import { h } from "./dom.js";
import { column, money, number, t, time } from "./i18n.js";

const MAX_ROWS = 100;
const ORDER = ["id", "productId", "key", "label", "name", "customerName", "items", "price", "quantity", "orders", "totalAmount", "amount", "orderDate"];
const MONEY = new Set(["price", "totalAmount", "amount"]);
const names = new Map(); // product names seen so far, for orders that carry only ids

export function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** The list of objects in a result (`[…]` or `{"result": […]}`), else null. */
export function rows(text) {
  const value = parse(text);
  const list = isObject(value) && Object.keys(value).length === 1 ? value.result : value;
  return Array.isArray(list) && list.every(isObject) ? list : null;
}

function flat({ product, ...row }) {
  if (!isObject(product)) return product === undefined || product === null ? row : { ...row, product };
  const { id, ...rest } = product;
  return { ...rest, ...row, productId: row.productId ?? id };
}

/** Remember the names of the products in a list, for orders that carry only ids; answers its flattened rows. */
export function learn(list) {
  const flatRows = list.map(flat);
  for (const row of flatRows) {
    const id = row.productId ?? (row.price === undefined ? undefined : row.id);
    if (id !== undefined && typeof row.name === "string") names.set(id, row.name);
  }
  return flatRows;
}

export const productName = (id) => names.get(id) ?? `#${id}`;

const isLine = (item) => isObject(item) && "productId" in item && "quantity" in item;

/** One value as a person reads it. */
export function cell(key, value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return MONEY.has(key) ? money(value) : /id$/i.test(key) ? String(value) : number(value);
  if (key === "orderDate") return time(value);
  if (Array.isArray(value) && value.length && value.every(isLine)) {
    return value.map((item) => `${productName(item.productId)} × ${number(item.quantity)}`).join("\n");
  }
  return typeof value === "string" ? value : JSON.stringify(value);
}

function columnsOf(list) {
  const keys = new Set(list.flatMap((row) => Object.keys(row)));
  if (list.every((row) => row.key === row.label)) keys.delete("label");
  const rank = (key) => (ORDER.includes(key) ? ORDER.indexOf(key) : ORDER.length);
  return [...keys].sort((a, b) => rank(a) - rank(b));
}

export function table(list) {
  if (!list.length) return h("p", { class: "quiet" }, t("emptyList"));
  const flatRows = learn(list.slice(0, MAX_ROWS));
  const keys = columnsOf(flatRows);
  const numeric = (key) => (flatRows.every((row) => typeof row[key] === "number") ? "num" : "");
  const head = keys.map((key) => h("th", { scope: "col", class: numeric(key) }, column(key)));
  const body = flatRows.map((row) => h("tr", {}, keys.map((key) => h("td", { class: numeric(key) }, cell(key, row[key])))));
  const rest = list.length - flatRows.length;
  return h(
    "div",
    { class: "wide", tabindex: "0", role: "region", "aria-label": t("result") },
    h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)),
    rest > 0 ? h("p", { class: "quiet" }, t("rest", { n: rest })) : null,
  );
}

export function json(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return h("pre", { tabindex: "0" }, text);
}

/** A tool's result text as its best picture, with the raw text folded beneath a table. */
export function show(text) {
  const list = rows(text);
  if (!list) {
    const value = parse(text);
    return json(value === undefined ? String(text) : value);
  }
  return h("div", {}, table(list), h("details", { class: "raw" }, h("summary", {}, t("raw")), json(parse(text))));
}
