// Lists that change in place: what is in them may just be pressed, or in focus.

/** Put an element before another, or last; what moves keeps its focus where the browser can. @type {(parent: Element, element: Element, next: Element | null) => void} */
function put(parent, element, next) {
	const isMove = "moveBefore" in parent && element.isConnected && parent.isConnected;
	parent[isMove ? "moveBefore" : "insertBefore"](element, next);
}

/** What is in its place stays there: it may just be pressed. @param {Element} parent @param {Element[]} wanted its first children from now on, after `kept` others */
export function arrange(parent, wanted, kept = 0) {
	for (const [i, element] of wanted.entries()) {
		const there = parent.children[i + kept] ?? null;
		if (there !== element) put(parent, element, there);
	}
}

/** The same with nothing else in it. @param {Element} parent @param {Element[]} wanted */
export function refill(parent, wanted) {
	for (const child of [...parent.children]) if (!wanted.includes(child)) child.remove();
	arrange(parent, wanted);
}

/** The same where what looks like before stays as it is, so that its listeners know nothing of what was drawn. @param {Element} parent @param {Element[]} wanted */
export function refillChanged(parent, wanted) {
	const [...old] = parent.children;
	const kept = wanted.map(made => {
		const known = old.findIndex(each => each.isEqualNode(made));
		return known < 0 ? made : old.splice(known, 1)[0];
	});
	refill(parent, kept);
}
