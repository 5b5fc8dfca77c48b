// Text as it really is: what one would not see is spelt out, and JSON is laid out without being changed.
import {attr, button, h} from "./elements.js";
import {failureText, formatNumber, t, textOf} from "./i18n.js";
import {parseJson} from "./tool-result.js";

const MAX_CHARS = 6_000; // that are shown at once
const MAX_INDENT = 12;
const LINE_CHARS = 80; // that a new line counts for, when so many characters are shown

// Group 1 is what holds an emoji together. Then: controls, bidirectional, zero-width, tag and private characters,
// separators, fillers, half characters, marks piled on one letter, and long runs of blanks.
const UNSEEN =
	/((?<=\p{ExtPict}\p{EMod}?)\uFE0F|(?<=\p{ExtPict}\p{EMod}?\uFE0F?)\u200D(?=\p{ExtPict}))|(?![\n\u3000 ])[\p{C}\p{Z}\p{DI}\u2800]|(?<=\p{M}{4})\p{M}| {9,}|\u3000{9,}/gu;

/** Text in which every character can be seen; only line feeds stay. @param {string} text */
export const visible = text =>
	text.replace(UNSEEN, (found, joiner) => {
		if (joiner) return joiner;
		const code = (found.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
		return found.length > 2 ? `⟨U+${code} × ${found.length}⟩` : `⟨U+${code}⟩`;
	});

/** The same of a name, or what stands in its place, or a text for people: all blanks are alike. @param {unknown} value */
export const readable = value =>
	visible(
		textOf(value)
			.replace(/\r\n?/g, "\n")
			.replace(/[\t\xa0]/g, " "),
	);

/** What is odd about a server. @param {Note} note */
export const noteText = ({code, params, text}) => visible(failureText({code, params, detail: text}));

/** Its beginning, where it may be long. @param {string} text @param {number} max characters of it */
export const beginningOf = (text, max) =>
	readable(text.slice(0, max).replace(/[\ud800-\udbff]$/, "")) + (text.length > max ? "…" : "");

/** The tokens of valid JSON, each with where it ends. @param {string} json @returns {Generator<[string, number]>} */
function* tokensOf(json) {
	const plain = /[ \t\n\r]*([{}[\],:"]|[^{}[\],:" \t\n\r]*)/y;
	while (plain.lastIndex < json.length) {
		let token = plain.exec(json)?.[1] ?? "";
		if (token === '"') {
			const end = endOfString(json, plain.lastIndex);
			token = json.slice(plain.lastIndex - 1, end);
			plain.lastIndex = end;
		}
		if (token) yield [token, plain.lastIndex];
	}
}

/** By hand, for no pattern bears 16 MB. @type {(json: string, at: number) => number} `at`: behind the first quote */
function endOfString(json, at) {
	for (let quote = json.indexOf('"', at); ; quote = json.indexOf('"', quote + 1)) {
		let slash = quote;
		while (json[slash - 1] === "\\") slash -= 1;
		if ((quote - slash) % 2 === 0) return quote + 1;
	}
}

/** As JSON that one can read: only quotes and line ends escaped. @type {(token: string, indent: string, max: number) => string} */
function readableString(token, indent, max) {
	/** @type {string} */
	const text = JSON.parse(token);
	const escaped = text.slice(0, max).replace(/["\\\t\r]/g, char => JSON.stringify(char).slice(1, -1));
	return `"${visible(escaped).replaceAll("\n", `\\n\n${indent}│ `)}${text.length > max ? "…" : '"'}`;
}

/**
 * JSON on lines of its own, other text as it is; numbers and repeated names stay exactly as they stand there.
 * @param {string} json @param {number} max characters to show
 * @returns {{parts: string[], omitted: number}} each string a part of its own; how many characters are left out
 */
export function layOut(json, max) {
	if (parseJson(json) === undefined)
		return {parts: [visible(json.slice(0, max))], omitted: Math.max(0, json.length - max)};
	/** @type {string[]} */
	const parts = [];
	let [depth, room, before] = [0, max, ""];
	for (const [token, end] of tokensOf(json)) {
		const left = json.length - end + token.length; // from this token on
		if (room <= 0) return {parts, omitted: left};
		const [opened, closes] = [/^[{[]$/.test(before), /^[\]}]$/.test(token)];
		depth += Number(opened) - Number(closes);
		const indent = "  ".repeat(Math.min(depth, MAX_INDENT));
		const breaks = before === "," || opened !== closes;
		if (breaks) parts.push(`\n${indent}`);
		parts.push(token[0] === '"' ? readableString(token, indent, room) : token.slice(0, room));
		if (token === ":") parts.push(" ");
		if (token.length > room) return {parts, omitted: left - room};
		room -= token.length + (breaks ? LINE_CHARS : 0);
		before = token;
	}
	return {parts, omitted: 0};
}

/** The value of JSON that says nothing but this value: no name twice, no number that JavaScript rounds. @param {string} json */
export function plainValue(json) {
	try {
		const value = JSON.parse(json);
		const said = [...tokensOf(json)].map(([token]) =>
			token[0] === '"' ? JSON.stringify(JSON.parse(token)) : token,
		);
		return JSON.stringify(value) === said.join("") ? value : undefined;
	} catch {} // no JSON, or too deep
}

/** JSON, or other text, exactly as it is: its beginning, and how much more there is. @param {string} text */
export function drawExact(text) {
	const box = h("pre", attr({tabindex: 0}));
	/** @param {number} max */
	const fill = max => {
		const {parts, omitted} = layOut(text, max);
		box.replaceChildren();
		let plain = "";
		for (const part of parts) {
			// Isolated, so that what is written from right to left moves nothing around it.
			if (part[0] === '"') box.append(plain, h("bdi", part));
			plain = part[0] === '"' ? "" : plain + part;
		}
		box.append(plain);
		return omitted;
	};
	const omitted = fill(MAX_CHARS);
	if (!omitted) return box;
	const showAll = () => {
		fill(Number.POSITIVE_INFINITY);
		more.remove();
	};
	const more = h("p.row", t("restChars", {n: formatNumber(omitted)}), button(t("showAll"), showAll));
	return h(".content", box, more);
}
