// What is saved as a file: a conversation, to read or with everything in it; the orders, for a spreadsheet.
import {titleOf} from "./conversations.js";
import {attr, h} from "./elements.js";
import {shopDays, shopTime, t, textOf, words} from "./i18n.js";
import {readPages} from "./tool-client.js";
import {cellText, productName} from "./tool-result.js";
import {asPage} from "./whole.js";

/** @import {ReadPage} from "./tool-client.js" */

const MAX_NAME_CHARS = 60; // a disk has a bound
const KEPT_MS = 60_000; // until a browser that asks where to put it has read it
const FORMULA = /^[=+\-@\t\r]/; // what a spreadsheet would calculate

/** Longer than any in the text. @param {string} text */
function fence(text, kind = "json") {
	const longest = (text.match(/\x60+/g) ?? []).reduce((most, {length}) => Math.max(most, length), 3);
	const ticks = "\x60".repeat(longest + 1);
	return `${ticks}${kind}\n${text}\n${ticks}`;
}

/** What was said in a message, and attached to it; of a call's result nothing. @param {Entry} entry */
function said({message: {role, content, compacted}, files = []}) {
	if (role === "tool" || compacted || !(content || files.length)) return [];
	const attached = files.flatMap(({name, text}) => [`**${name}**`, ...(text ? [fence(text, "")] : [])]);
	return [`## ${t(role === "user" ? "you" : "assistant")}`, textOf(content ?? ""), ...attached];
}

/** @param {Conversation} conversation */
export function asMarkdown({title, entries, calls}) {
	const parts = [`# ${title}`];
	for (const entry of entries) {
		parts.push(...said(entry));
		for (const {id} of entry.message.tool_calls ?? []) {
			const {server, tool, args, result = ""} = calls[id] ?? {};
			parts.push(`**${server} · ${tool}**`, fence(JSON.stringify(args)), fence(result));
		}
	}
	return `${parts.join("\n\n")}\n`;
}

/** What is in a file, by its ending. @type {Record<"md" | "json" | "html", (conversation: Conversation) => string | Promise<string>>} */
const TEXTS = {
	md: asMarkdown,
	json: conversation => JSON.stringify(conversation, null, 2),
	html: conversation => asPage(titleOf(conversation)),
};

/** @param {Conversation} conversation @param {"md" | "json" | "html"} ending */
export async function download(conversation, ending) {
	const name = titleOf(conversation).replace(/[^\p{L}\p{N}]+/gu, "-");
	saveFile(`${name.slice(0, MAX_NAME_CHARS)}.${ending}`, await TEXTS[ending](conversation));
}

/** All of them in one file, which can be brought back. @param {Conversation[]} conversations */
export function downloadAll(conversations) {
	const day = new Date().toLocaleDateString("sv-SE");
	saveFile(`product-mcp-${day}.json`, JSON.stringify({conversations}, null, 1));
}

/** @param {string} name @param {string} text */
export function saveFile(name, text) {
	const href = URL.createObjectURL(new Blob([text]));
	h("a", attr({href, download: name})).click();
	setTimeout(() => URL.revokeObjectURL(href), KEPT_MS);
}

/** RFC 4180. @param {string | number} value */
function cell(value) {
	const text = typeof value === "string" && FORMULA.test(value) ? `'${value}` : `${value}`;
	return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** With a mark by which Excel knows UTF-8. @param {(string | number)[][]} rows */
export const csvOf = rows => `\ufeff${rows.map(row => `${row.map(cell).join(",")}\r\n`).join("")}`;

/** A row for each line of an order; its total stands in the first, so that it can be added up. @param {Order[]} orders */
export function orderTable(orders) {
	const {id, orderDate, customerName, status, productId, name, quantity, totalAmount} = words().columns;
	const when = `${orderDate} (${shopDays().zone})`;
	const rows = orders.flatMap(order =>
		order.items.map((item, line) => [
			...[order.id, shopTime(order.orderDate), order.customerName, cellText("status", order.status)],
			...[item.productId, productName(item.productId), item.quantity, line ? "" : order.totalAmount],
		]),
	);
	return [[id, when, customerName, status, productId, name, quantity, totalAmount], ...rows];
}

/**
 * All orders, newest first, as they were when this began: one that comes meanwhile moves the others to later pages.
 * @param {(until: Params) => ReadPage} pagesOf @param {(n: number) => void} [onprogress]
 */
export async function readOrders(pagesOf, onprogress) {
	const {rows} = await readPages(pagesOf({}), 1);
	const [newest] = /** @type {Order[]} */ (rows);
	if (!newest) return [];
	const all = await readPages(pagesOf({until: newest.orderDate}), Number.POSITIVE_INFINITY, onprogress);
	const old = /** @type {Order[]} */ (all.rows).filter(({id}) => id <= newest.id);
	return [...new Map(old.map(order => [order.id, order])).values()];
}
