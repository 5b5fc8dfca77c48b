// A list of rows that unfold, drawn anew without taking anything away from whoever uses it.
import {attr, h} from "./elements.js";

/** @template T @typedef {(item: T) => void} Update */
/** @template T @typedef {(body: HTMLElement, item: T) => Update<T>} Fill makes what a row unfolds to */
/** @template T @typedef {{item: T, root: HTMLElement, summary: HTMLElement, body: HTMLElement, update?: Update<T>}} FoldedRow */

/** Whether it has the focus, or something is typed in below it or being done. @param {FoldedRow<any>} row */
const isInUse = ({root, body}) =>
	root.contains(document.activeElement) || body.querySelector(".typed, :disabled") !== null;

/** @template T @param {string} kind @param {T} item @param {Fill<T>} fill @returns {FoldedRow<T>} */
function makeRow(kind, item, fill) {
	const [summary, body] = [h(`summary.${kind}`), h(".below")];
	const unfold = () => {
		row.update ??= fill(body, row.item);
	};
	const root = h("li", h("details.row-details", attr({ontoggle: unfold}), summary, body));
	/** @type {FoldedRow<T>} */
	const row = {item, root, summary, body};
	return row;
}

/**
 * A list whose rows keep their elements while they stay: with them what is unfolded, typed in and focused.
 * @template T @param {HTMLElement} list @param {string} kind @param {(item: T) => unknown} keyOf @param {Fill<T>} fill
 */
export function foldedList(list, kind, keyOf, fill) {
	/** @type {Map<unknown, FoldedRow<T>>} */
	let rows = new Map();
	return {
		/**
		 * Show some items of all. A row in use stays, although its item may be none of them any more.
		 * @param {T[]} items @param {T[]} all @param {(item: T) => HTMLElement[]} say @param {string} none what to say of no items
		 */
		show(items, all, say, none) {
			const used = new Map([...rows].filter(([, row]) => isInUse(row)));
			const kept = all.filter(item => used.has(keyOf(item)) && !items.includes(item));
			const old = rows;
			rows = new Map();
			for (const item of [...items, ...kept]) {
				const row = old.get(keyOf(item)) ?? makeRow(kind, item, fill);
				rows.set(keyOf(item), row);
				row.item = item;
				row.summary.replaceChildren(...say(item));
				row.update?.(item);
			}
			for (const [key, row] of used) if (!rows.has(key)) rows.set(key, row);
			arrange(list, rows.size ? [...rows.values()].map(({root}) => root) : [h("li.quiet", none)]);
		},
		/** Draw what is not in use from its beginning. */
		forget() {
			for (const [key, row] of rows) if (!isInUse(row)) rows.delete(key);
		},
		/** @param {number} index */
		focus(index) {
			[...rows.values()][index]?.summary.focus();
		},
	};
}

/**
 * Put these elements into the list, in their order, with as few moves as a small change needs: what stays keeps its
 * place on the screen. What has the focus keeps that, and stays in sight.
 * @param {HTMLElement} list @param {HTMLElement[]} elements
 */
function arrange(list, elements) {
	const focused = list.contains(document.activeElement) ? document.activeElement : null;
	const top = focused?.getBoundingClientRect().top ?? 0;
	const kept = new Set(/** @type {Element[]} */ (elements));
	for (const child of [...list.children]) if (!kept.has(child)) child.remove();
	/** @param {Element} element @param {Element | null} next */
	const put = (element, next) => {
		const isMove = element.parentNode === list && "moveBefore" in list; // which keeps the focus
		list[isMove ? "moveBefore" : "insertBefore"](element, next);
	};
	let next = list.firstElementChild;
	for (const element of elements) {
		if (next && element === next.nextElementSibling)
			put(next, null); // which belongs further down
		else if (element !== next) put(element, next);
		next = element.nextElementSibling;
	}
	if (!(focused instanceof HTMLElement)) return;
	if (focused !== document.activeElement) focused.focus({preventScroll: true});
	const box = list.closest(".panel");
	if (box && top > 0 && top < box.clientHeight) box.scrollTop += focused.getBoundingClientRect().top - top;
}
