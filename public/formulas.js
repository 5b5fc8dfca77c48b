// What is copied of an answer with formulas has them as TeX. Loaded with the first formula.

/** @param {ClipboardEvent} event */
export function copyAsTex(event) {
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
