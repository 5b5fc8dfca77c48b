// The model's markdown, rendered and sanitised by the server, put into the page without jumping.
import {wide} from "./data.js";
import {h} from "./dom.js";

const NUMBER = /^[-+]?[¥$€]?\s?\d[\d,.]*\s?(元|件|个|台|%)?$/;

function frame(table) {
	const box = wide();
	table.replaceWith(box);
	box.append(table);
	const lines = [...table.rows];
	for (const {cellIndex: i} of lines[0].cells) {
		const column = lines.map(line => line.cells[i] ?? lines[0].cells[i]);
		if (column.slice(1).every(item => NUMBER.test(item.textContent.trim()))) for (const item of column) item.className = "num";
	}
}

/** What is unchanged is not touched, so selections and scrolling stay. */
export function renderProse(target, html) {
	const template = h("template");
	// The server sanitises, the CSP forbids, and a browser that can sanitises once more.
	if (template.setHTML) template.setHTML(html);
	else template.innerHTML = html;
	for (const table of template.content.querySelectorAll("table")) frame(table);
	for (const link of template.content.querySelectorAll("a")) link.target = "_blank";
	for (const block of template.content.querySelectorAll("pre")) block.tabIndex = 0;
	const next = [...template.content.childNodes];
	let at = 0;
	while (next[at] && target.childNodes[at]?.isEqualNode(next[at])) at += 1;
	while (target.childNodes[at]) target.lastChild.remove();
	target.append(...next.slice(at));
}
