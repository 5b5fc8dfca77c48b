// A list of rows that unfold, drawn anew without taking anything away from whoever uses it.
import {attr, h} from "./elements.js";

/** @template T @typedef {(item: T) => void} Update */
/** @template T @typedef {(body: HTMLElement, item: T) => Update<T>} Fill makes what a row unfolds to */

/** A row that unfolds; what it unfolds to stays when the row is drawn anew. @template T */
class FoldedRow {
	#body = h(".below");
	/** @type {Update<T> | null} */
	#update = null;

	/** @param {string} kind @param {T} item @param {Fill<T>} fill */
	constructor(kind, item, fill) {
		this.item = item;
		this.summary = h(`summary.${kind}`);
		const unfold = () => {
			this.#update ??= fill(this.#body, this.item);
		};
		this.root = h("li", h("details.row-details", attr({ontoggle: unfold}), this.summary, this.#body));
	}

	/** @param {T} item @param {HTMLElement[]} said */
	show(item, said) {
		this.item = item;
		this.summary.replaceChildren(...said);
		this.#update?.(item);
	}

	/** Whether it has the focus, or something is typed in below it or being done. */
	get isInUse() {
		return (
			this.root.contains(document.activeElement) || this.#body.querySelector(".typed, :disabled") !== null
		);
	}
}

/**
 * A list whose rows keep their elements while they stay: with them what is unfolded, typed in and focused.
 * @template T
 */
export class FoldedList {
	/** @type {Map<unknown, FoldedRow<T>>} */
	#rows = new Map();

	/**
	 * @param {HTMLElement} list @param {string} kind
	 * @param {(item: T) => unknown} keyOf @param {Fill<T>} fill
	 */
	constructor(list, kind, keyOf, fill) {
		this.list = list;
		this.kind = kind;
		this.keyOf = keyOf;
		this.fill = fill;
	}

	/**
	 * Show some items of all. A row in use stays, although its item may be none of them any more.
	 * @param {T[]} items @param {T[]} all @param {(item: T) => HTMLElement[]} say @param {string} none what to say of no items
	 */
	show(items, all, say, none) {
		const used = [...this.#rows.values()].filter(row => row.isInUse).map(row => this.keyOf(row.item));
		const shown = new Set(items);
		const kept = all.filter(item => !shown.has(item) && used.includes(this.keyOf(item)));
		const rows = new Map();
		for (const item of [...items, ...kept]) {
			const key = this.keyOf(item);
			const row = this.#rows.get(key) ?? new FoldedRow(this.kind, item, this.fill);
			row.show(item, say(item));
			rows.set(key, row);
		}
		for (const key of used) if (!rows.has(key)) rows.set(key, this.#rows.get(key));
		this.#rows = rows;
		const elements = [...rows.values()].map(({root}) => root);
		arrange(this.list, elements.length ? elements : [h("li.quiet", none)]);
	}

	/** Draw what is not in use from its beginning. */
	forget() {
		for (const [key, row] of this.#rows) if (!row.isInUse) this.#rows.delete(key);
	}

	/** @param {number} index */
	focus(index) {
		[...this.#rows.values()][index]?.summary.focus();
	}
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
		if (element.parentNode === list && "moveBefore" in list)
			list.moveBefore(element, next); // keeps the focus
		else list.insertBefore(element, next);
	};
	let next = list.firstElementChild;
	for (const element of elements) {
		if (next && element === next.nextElementSibling)
			put(next, null); // it belongs further down
		else if (element !== next) put(element, next);
		next = element.nextElementSibling;
	}
	if (!(focused instanceof HTMLElement)) return;
	if (focused !== document.activeElement) focused.focus({preventScroll: true});
	const box = list.closest(".panel");
	if (box && top > 0 && top < box.clientHeight) box.scrollTop += focused.getBoundingClientRect().top - top;
}
