// Questions and prompts that are known here by a code, in the reader's language; loaded with the first.
import {ask} from "./backend.js";
import {formatMoney, words} from "./i18n.js";
import {isObject} from "./tool-result.js";

const MAX_DEPTH = 4; // of texts within texts
const PLACE = /([“「]?)\{(\w+)\}/g;

/**
 * Whoever sends it chooses among these sentences, and nothing but plain text within them.
 * @param {unknown} wording its code and parameters @param {string} text as it was sent: said where that is not known
 */
export const worded = (wording, text) => said(wording, 0) ?? text;

/** A prompt as its server fills it in. @param {Address} prompt @param {unknown} [args] @returns {Promise<string>} */
export async function promptText({server, name}, args) {
	const {text, wording} = await ask("api/get-prompt", {server, name, args});
	return worded(wording, text);
}

/** @param {unknown} wording @param {number} depth @returns {string | undefined} */
function said(wording, depth) {
	const {code, params} = isObject(wording) ? wording : /** @type {Row} */ ({});
	/** @type {Record<string, string>} */
	const known = words().texts;
	if (typeof code !== "string" || !Object.hasOwn(known, code) || !isObject(params)) return undefined;
	let isWhole = depth <= MAX_DEPTH;
	const filled = known[code].replace(PLACE, (_, quote, name) => {
		const part = isWhole && Object.hasOwn(params, name) ? partText(name, params[name], depth) : undefined;
		isWhole &&= part !== undefined;
		return quote + (quote ? part?.replace(/[“”「」]/g, '"') : part);
	});
	return isWhole ? filled : undefined;
}

/** @param {string} name @param {unknown} value @param {number} depth @returns {string | undefined} */
function partText(name, value, depth) {
	if (Array.isArray(value)) {
		const parts = value.map(each => partText(name, each, depth));
		const separator = words()[name === "told" ? "clauses" : "names"];
		return parts.includes(undefined) ? undefined : parts.join(separator);
	}
	if (isObject(value)) return said(value, depth + 1);
	if (typeof value === "number") return /yuan$/i.test(name) ? formatMoney(value) : `${value}`;
	return typeof value === "string" ? value : undefined;
}
