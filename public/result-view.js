// Tool results on the screen: a list as a table, other JSON indented.
import {h} from "./elements.js";
import {failureText, t} from "./i18n.js";
import {parseJson, rowsOf, tableOf} from "./tool-result.js";

/** @import {ToolAnswer} from "./backend.js" */
/** @import {Row} from "./tool-result.js" */

/** @param {Row[]} list */
export function drawTable(list) {
	if (!list.length) return h("p.quiet", t("emptyList"));
	const {columns, cells, omitted} = tableOf(list);
	const kind = columns.map(({isNumeric}) => (isNumeric ? ".num" : ""));
	const head = columns.map(({label}, i) => h(`th${kind[i]}`, {scope: "col"}, label));
	const body = cells.map(row =>
		h(
			"tr",
			row.map((text, i) => h(`td${kind[i]}`, text)),
		),
	);
	const note = omitted > 0 && h("p.quiet", t("rest", {n: omitted}));
	return h(".wide", {tabIndex: 0}, h("table", h("thead", h("tr", head)), h("tbody", body)), note);
}

/** @param {unknown} value */
export const drawJson = value =>
	h("pre", {tabIndex: 0}, typeof value === "string" ? value : JSON.stringify(value, null, 2));

/** @param {string} text */
export function drawResult(text) {
	const rows = rowsOf(text);
	const raw = drawJson(parseJson(text) ?? text);
	return rows ? h("", drawTable(rows), h("details.raw", h("summary", t("raw")), raw)) : raw;
}

/**
 * What came of a call: of a failure its sentence, then the text if that says something else.
 * @param {ToolAnswer} answer
 */
export function drawAnswer({result, isError, code, params}) {
	const said = isError && code ? failureText({code, params, detail: result}) : "";
	return h("", said && h("p.bad", said), said !== result && drawResult(result));
}
