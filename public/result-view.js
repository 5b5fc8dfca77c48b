// Tool results on the screen: a list as a table, other JSON indented.
import {attr, button, h} from "./elements.js";
import {drawExact, readable, visible} from "./exact-text.js";
import {failureText, localised, t, textOf} from "./i18n.js";
import {parseJson, rowsOf, tableOf} from "./tool-result.js";

const PLAYABLE = /^(image|audio)\/[\w.+-]+$/;

/** @param {Row[]} list */
export function drawTable(list) {
	if (!list.length) return h("p.quiet", t("emptyList"));
	const {columns, cells, omitted} = tableOf(list);
	const kind = columns.map(({isNumeric}) => (isNumeric ? ".num" : ""));
	const head = columns.map(({label}, i) => h(`th${kind[i]}`, attr({scope: "col"}), label));
	const drawRow = (/** @type {string[]} */ row) => row.map((text, i) => h(`td${kind[i]}`, text));
	const body = cells.map(row => h("tr", drawRow(row)));
	const note = omitted > 0 && h("p.quiet", t("rest", {n: omitted}));
	return h(".wide", attr({tabindex: 0}), h("table", h("thead", h("tr", head)), h("tbody", body)), note);
}

/** @param {string} text */
export function drawResult(text) {
	const rows = rowsOf(text);
	const raw = drawExact(text);
	if (!rows) return raw;
	const [, ...notes] = parseJson(text) ? [] : text.split("\n");
	const more = h("details.raw", h("summary", t("raw")), raw);
	return h("", drawTable(rows), h("p.quiet", visible(notes.map(localised).join("\n"))), more);
}

/** @param {Media} media */
export const isPlayable = ({mime_type: type, data}) => data && PLAYABLE.test(textOf(type));

/** A picture is shown, a sound is played, a resource is a link: to where it is, or to what came of it. @type {(media: Media, server?: string) => HTMLElement} */
export function drawMedia({mime_type: type, data, uri, name}, server) {
	const [, kind] = PLAYABLE.exec(textOf(type)) ?? [];
	const label = visible(textOf(name || uri || type));
	if (data && kind) {
		const element = kind === "image" ? new Image() : new Audio();
		element.src = `data:${type};base64,${data}`;
		if (element instanceof HTMLAudioElement) element.controls = true;
		element.ariaLabel = label;
		return element;
	}
	const href = data ? URL.createObjectURL(new Blob([bytesOf(data)])) : uri;
	const link = h("a", attr({href, download: data ? label : null}), label);
	// Through its server, wherever its address leads.
	const open = async () =>
		(await import("./resources.js")).openResources({server: `${server}`, uri: `${uri}`, title: label});
	const read = !data && uri && server && button(t("read"), open);
	return h(
		"p.row",
		link,
		label !== uri && h("code", visible(textOf(uri ?? ""))),
		h("span.quiet", type),
		read,
	);
}

/** @type {(base64: string) => Uint8Array<ArrayBuffer>} */
export function bytesOf(base64) {
	try {
		return Uint8Array.from(atob(base64), char => char.charCodeAt(0));
	} catch {
		return new Uint8Array(); // it is none
	}
}

/** Of a failure its sentence, then the text if that says something else, and what is no text. @param {ToolAnswer & {server?: string}} answer */
export function drawAnswer(answer) {
	const {result, media, server} = answer;
	const said = answer.isError && answer.code ? failureText(answer) : "";
	const text = said !== result && drawResult(result);
	return h(
		".content",
		said && h("p.bad", readable(said)),
		text,
		Array.isArray(media) && media.map(one => drawMedia(one, server)),
	);
}
