// What the back end has rendered, as nodes: sanitised once more, with its code and formulas to be copied.
import {copyButton} from "./elements.js";

// The server sanitises and the CSP forbids scripts; a browser that has a sanitizer applies it too.
const sanitizer = globalThis.Sanitizer && new Sanitizer();
for (const name of ["class", "tabindex", "alttext", "columnalign"]) sanitizer?.allowAttribute(name);
for (const name of ["img", "figure", "figcaption"]) sanitizer?.allowElement(name);
for (const name of ["src", "alt", "loading", "referrerpolicy"]) sanitizer?.allowAttribute(name);

/** @param {string} html */
export function nodesOf(html) {
	const template = document.createElement("template");
	if (sanitizer) template.setHTML(html, {sanitizer});
	else template.innerHTML = html;
	for (const picture of template.content.querySelectorAll('img:not([src^="https://" i])')) picture.remove();
	for (const code of template.content.querySelectorAll("figure > pre"))
		code.after(copyButton(() => code.textContent ?? ""));
	return [...template.content.childNodes];
}

/** Replace from the first changed node on, but those that are fixed. @type {(target: HTMLElement, html: string, fixed: number) => void} */
export function renderProse(target, html, fixed) {
	const next = nodesOf(html);
	let same = 0;
	while (next[same] && target.childNodes[fixed + same]?.isEqualNode(next[same])) same += 1;
	while (target.childNodes[fixed + same]) target.lastChild?.remove();
	for (const node of next.slice(same)) target.append(node);
}

/** Of a formula its TeX is copied: without it, its letters would be. @param {ClipboardEvent} event */
function copyAsTex(event) {
	const selection = getSelection();
	if (!selection?.rangeCount || selection.isCollapsed) return;
	const range = selection.getRangeAt(0).cloneRange();
	// Of a formula all or nothing is copied.
	const [first, last] = [range.startContainer, range.endContainer].map(node =>
		(node instanceof Element ? node : node.parentElement)?.closest("math"),
	);
	if (first) range.setStartBefore(first);
	if (last) range.setEndAfter(last);
	const part = document.createElement("div");
	part.className = "prose sr";
	part.append(range.cloneContents());
	const formulas = part.querySelectorAll("math");
	if (!formulas.length) return;
	for (const math of formulas) {
		const mark = math.getAttribute("display") === "block" ? "$$" : "$";
		math.replaceWith(mark + math.getAttribute("alttext") + mark);
	}
	document.body.append(part);
	// biome-ignore lint/performance/useDomNodeTextContent: lists and tables keep their lines
	event.clipboardData?.setData("text/plain", part.innerText);
	event.preventDefault();
	part.remove();
}

document.addEventListener("copy", copyAsTex);
