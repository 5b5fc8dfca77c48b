// Tools called by the page: those that read the shop, page by page, and others by hand.
import {callTool, findTool, isUnknown, newKey} from "./backend.js";
import {failureText} from "./i18n.js";
import {isObject, parseJson, rowsOf} from "./tool-result.js";

/** @typedef {(limit: number, offset: number) => Promise<{rows: Row[], isCut: boolean}>} ReadPage */

const PAGE_ROWS = 500; // the most that the tools give at once
export const MAX_ROWS = 5000; // of one list on the screen

/** Calls a tool by hand; while its outcome is unknown, the same is sent under the same key. @param {string} server @param {string} name */
export function keyedCall(server, name) {
	let [asked, key] = ["", ""];
	return async (/** @type {unknown} */ args, /** @type {object | null} */ confirmed = {}) => {
		const now = JSON.stringify(args);
		if (asked !== now) [asked, key] = [now, newKey()];
		try {
			const answer = await callTool(server, name, args, key, confirmed);
			asked = "";
			return answer;
		} catch (error) {
			if (!isUnknown(error)) asked = "";
			throw error;
		}
	};
}

/** @param {string} server @param {string} name @param {unknown} args */
async function readPage(server, name, args) {
	const answer = await callTool(server, name, args);
	const rows = answer.isError ? null : rowsOf(answer.result);
	if (!rows) throw Object.assign(new Error(failureText(answer)), {code: answer.code});
	return {rows, isCut: parseJson(answer.result) === undefined}; // a note on the rest follows the rows
}

/** @param {string} server @param {string} name @param {unknown} args */
export const readRows = async (server, name, args) => (await readPage(server, name, args)).rows;

/** Rows, page by page, at most `max`. @param {ReadPage} read @param {number} [max] @param {(n: number) => void} [onprogress] */
export async function readPages(read, max = MAX_ROWS, onprogress) {
	/** @type {Row[]} */
	let rows = [];
	for (;;) {
		const limit = Math.min(PAGE_ROWS, max - rows.length);
		const page = await read(limit, rows.length);
		rows = rows.concat(page.rows); // not as arguments, of which there may be too many
		onprogress?.(rows.length);
		// A server that knows no pages sends what it has.
		const {length} = page.rows;
		const isWhole = !length || length > limit || (length < limit && !page.isCut);
		if (isWhole || rows.length >= max) return {rows, isWhole};
	}
}

/** @type {(server: string, name: string, args: Params) => ReadPage} */
export const pagesOf = (server, name, args) => (limit, offset) =>
	readPage(server, name, {...args, limit, offset});

/** Whether a tool takes this argument. @param {string} tool @param {string} server @param {string} name */
export function takes(tool, server, name) {
	const known = findTool(tool, server)?.input_schema?.properties;
	return isObject(known) && Object.hasOwn(known, name);
}

/** The inventory of these products. @param {string} server @param {unknown[]} ids @param {Params} [more] */
export async function readInventory(server, ids, more = {}) {
	/** @type {Row[]} */
	let rows = [];
	for (let i = 0; i < ids.length; i += PAGE_ROWS) {
		const args = {...more, productIds: ids.slice(i, i + PAGE_ROWS)};
		rows = rows.concat((await readPages(pagesOf(server, "get_inventory", args))).rows);
	}
	return rows;
}

/** Of what a question finds, the best match first; else of all products. @param {string} server @param {Params} filters @param {number} [max] */
export async function readProducts(server, {maxQuantity, ...question}, max = MAX_ROWS) {
	if (!Object.keys(question).length) return readPages(pagesOf(server, "get_inventory", {maxQuantity}), max);
	const found = await readPages(pagesOf(server, "get_products", question), max);
	const ids = found.rows.map(({id}) => id);
	const stock = await readInventory(server, ids, {maxQuantity});
	const byId = new Map(stock.map(row => [row.productId, row]));
	return {...found, rows: ids.map(id => byId.get(id)).filter(isObject)};
}
