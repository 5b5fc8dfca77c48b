// The panel's lists of products and orders: found, sorted, unfolded, without taking anything away from whoever uses them.
import {shopServer} from "./backend.js";
import {$, attr, h, loadStyle, refill, toast} from "./elements.js";
import {readable} from "./exact-text.js";
import {compareTexts, formatNumber, shopDays, shopTime, t, textOf} from "./i18n.js";
import {preferences, setPreference} from "./preferences.js";
import {MAX_ROWS} from "./tool-client.js";
import {cellText, productName} from "./tool-result.js";

/** @import {ReadPage} from "./tool-client.js" */
/** @template T @typedef {{item: T, root: HTMLElement, summary: HTMLElement, body: HTMLElement, update?: Update<T>}} FoldedRow */

const LOW_STOCK_PIECES = 20;
const READ_ROWS = 500; // by which most shops are told how many products there are in all
const MAX_LINES = 2; // of an order that is folded

/** A row of a bar chart. @type {(label: HTMLElement, amount: string, value: number, max: number) => HTMLElement[]} */
export const bar = (label, amount, value, max) => [
	label,
	h("b.num", amount),
	h("progress", attr({max, value, "aria-hidden": "true"})),
];

/** What stays the same is not said again. @param {string} id @param {string} text */
export function say(id, text) {
	if ($(id).textContent !== text) $(id).textContent = text;
}

/** Whether it has the focus, or something is typed in below it or being done. @param {FoldedRow<any>} row */
const isInUse = ({root, body}) =>
	root.contains(document.activeElement) || body.querySelector(".typed, :disabled") !== null;

/** What a form's fields say that are neither empty nor wrong; numbers as numbers. @param {HTMLFormElement} form @returns {Params} */
export function fieldsOf(form) {
	/** @type {Params} */
	const said = {};
	for (const field of /** @type {HTMLInputElement[]} */ ([...form.elements])) {
		const {name, type, value} = field; // a fieldset has no value
		if (!name || !value.trim() || !field.validity.valid || (type === "checkbox" && !field.checked)) continue;
		said[name] = type === "number" ? field.valueAsNumber : value.trim();
	}
	return said;
}

/** Follow a form of filters, whose folded part says how much of it is in use. @type {(form: HTMLFormElement, onchange: () => void) => void} */
function followFilters(form, onchange) {
	const follow = () => {
		const used = Object.keys(fieldsOf(form)).filter(name => form.querySelector(`details [name=${name}]`));
		const summary = form.querySelector("summary");
		if (summary) summary.dataset.used = `${used.length || ""}`;
		onchange();
	};
	form.oninput = form.onreset = () => setTimeout(follow); // after the reset
	form.onsubmit = event => event.preventDefault();
}

/**
 * A list with a form of filters, of which some rows are shown, and more on demand. The rows keep their elements while
 * they stay: with them what is unfolded, typed in and focused.
 * @template T
 */
class FoldedList {
	/** @type {Map<unknown, FoldedRow<T>>} */
	#rows = new Map();
	#open = new Set(); // the keys of those that are drawn anew, and were unfolded

	/**
	 * @param {string} name @param {string} kind @param {[first: number, more: number]} sizes
	 * @param {(item: T) => unknown} keyOf @param {() => Promise<void>} refresh @param {Fill<T>} fill
	 */
	constructor(name, kind, [first, more], keyOf, refresh, fill) {
		this.kind = kind;
		this.shown = first;
		this.keyOf = keyOf;
		this.fill = fill;
		this.root = $(name);
		this.form = $(`${name}-filter`, HTMLFormElement);
		this.more = $(`more-${name}`);
		followFilters(this.form, () => {
			this.shown = first;
			refresh();
		});
		this.more.onclick = async () => {
			const index = this.shown;
			this.shown += more;
			await refresh();
			[...this.#rows.values()][index]?.summary.focus();
		};
	}

	/** @param {T} item @returns {FoldedRow<T>} */
	#makeRow(item) {
		const [summary, body] = [h(`summary.${this.kind}`), h(".below")];
		const unfold = () => {
			row.update ??= this.fill(body, row.item);
		};
		const details = h("details.row-details", attr({ontoggle: unfold}), summary, body);
		details.open = this.#open.delete(this.keyOf(item));
		const root = h("li", details);
		/** @type {FoldedRow<T>} */
		const row = {item, root, summary, body};
		return row;
	}

	/**
	 * Show the first of all items. A row in use stays, although its item may be none of them any more.
	 * @param {T[]} all @param {(item: T) => HTMLElement[]} say @param {string} none what to say of no items
	 */
	show(all, say, none) {
		const old = this.#rows;
		const used = new Map([...old].filter(([, row]) => isInUse(row)));
		const kept = all.slice(this.shown).filter(item => used.has(this.keyOf(item)));
		this.#rows = new Map();
		for (const item of [...all.slice(0, this.shown), ...kept]) {
			const row = old.get(this.keyOf(item)) ?? this.#makeRow(item);
			this.#rows.set(this.keyOf(item), row);
			row.item = item;
			row.summary.replaceChildren(...say(item));
			row.update?.(item);
		}
		for (const [key, row] of used) if (!this.#rows.has(key)) this.#rows.set(key, row);
		const roots = [...this.#rows.values()].map(({root}) => root);
		refillInSight(this.root, roots.length ? roots : [h("li.quiet", none)]);
		this.more.hidden = all.length <= this.shown;
	}

	/** Draw all from its beginning, unfolded as it is, but for what is being done. */
	forget() {
		for (const [key, {root, body}] of this.#rows) {
			if (root.querySelector("details[open]")) this.#open.add(key);
			if (!body.querySelector("fieldset:disabled")) this.#rows.delete(key);
		}
	}
}

/** What has the focus keeps that, and stays where it is in sight. @param {HTMLElement} list @param {HTMLElement[]} elements */
function refillInSight(list, elements) {
	const focused = list.contains(document.activeElement) ? document.activeElement : null;
	const top = focused?.getBoundingClientRect().top ?? 0;
	refill(list, elements);
	if (!(focused instanceof HTMLElement)) return;
	if (focused !== document.activeElement) focused.focus({preventScroll: true});
	const box = list.closest(".panel");
	if (box && top > 0 && top < box.clientHeight) box.scrollTop += focused.getBoundingClientRect().top - top;
}

/** @param {StockRow} row */
const priceOf = ({product}) => product?.price ?? 0;

/** @param {StockRow} row */
const nameOf = ({productId, product}) => product?.name ?? `#${textOf(productId)}`;

/** @type {Record<string, (a: StockRow, b: StockRow) => number>} */
const SORTS = {
	low: (a, b) => a.quantity - b.quantity,
	cheap: (a, b) => priceOf(a) - priceOf(b),
	dear: (a, b) => priceOf(b) - priceOf(a),
	name: (a, b) => compareTexts(nameOf(a), nameOf(b)),
};

/** @param {StockRow[]} rows @param {string} sort */
export const sortRows = (rows, sort) => (Object.hasOwn(SORTS, sort) ? rows.toSorted(SORTS[sort]) : rows);

/** @type {Map<string, HTMLElement>} the same elements again, so that nothing is loaded twice */
const thumbnails = new Map();

/** A product's picture, if it has one. @param {StockRow} row */
function thumbnailOf(row) {
	const {productId: id, product: {image = ""} = {}} = row;
	const server = shopServer()?.name ?? "";
	const key = `${server} ${id} ${image}`;
	const box = thumbnails.get(key) ?? (image && h("span.thumb"));
	if (!box || thumbnails.has(key)) return box;
	thumbnails.set(key, box);
	const draw = async () => {
		const {drawPicture} = await import("./product-cards.js");
		await loadStyle("product-cards.css");
		box.append(drawPicture({server, id, name: nameOf(row), price: 0, description: "", image}));
	};
	draw().catch(() => {});
	return box;
}

/** @param {StockRow} row @param {number} max */
function sayStock(row, max) {
	const {quantity, product} = row;
	const tag = quantity <= LOW_STOCK_PIECES && h("span.tag.warn", t(quantity ? "low" : "soldOut"));
	const price = h("small", cellText("price", product?.price));
	const name = h("span.bar-name", thumbnailOf(row), h("bdi", readable(nameOf(row))), " ", price, tag);
	return bar(name, cellText("quantity", quantity), quantity, max);
}

/** @extends {FoldedList<StockRow>} */
export class StockList extends FoldedList {
	#sort = $("sort", HTMLSelectElement);

	/** @param {() => Promise<void>} refresh @param {Fill<StockRow>} fill */
	constructor(refresh, fill) {
		super("stock", "bar-row", [20, 100], ({productId}) => productId, refresh, fill);
		this.#sort.value = preferences.sort ?? "";
		this.#sort.onchange = () => {
			setPreference("sort", this.#sort.value);
			refresh();
		};
	}

	/** What is to be seen, and how much is to be read for it: all where they are sorted. */
	get wish() {
		const {low, ...question} = fieldsOf(this.form);
		/** @type {Params} */
		const filters = low ? {...question, maxQuantity: LOW_STOCK_PIECES} : question;
		const [sort, shown] = [this.#sort.value, this.shown];
		return {filters, sort, shown, max: sort ? MAX_ROWS : Math.max(READ_ROWS, shown + 1)};
	}

	/** @param {StockRow[]} rows @param {boolean} isWhole there are no others */
	draw(rows, isWhole) {
		const max = rows.reduce((most, {quantity}) => Math.max(most, quantity), 1);
		this.show(sortRows(rows, this.#sort.value), row => sayStock(row, max), t("noneFound"));
		const all = formatNumber(rows.length) + (isWhole ? "" : "+");
		say("stock-count", rows.length > this.shown ? `${this.shown} / ${all}` : all);
		const isCut = !isWhole && rows.length >= MAX_ROWS;
		$("stock-cut").textContent = isCut ? t("firstOnly", {n: formatNumber(rows.length)}) : "";
	}
}

/** @param {Order} order */
function sayOrder({id, customerName, orderDate, items, totalAmount, status}) {
	const more = items.length - MAX_LINES;
	const lines = cellText("items", items.slice(0, MAX_LINES));
	const isGone = status === "cancelled";
	const amount = h(isGone ? "s" : "b", cellText("totalAmount", totalAmount));
	return [
		h("strong", readable(customerName)),
		h("span.quiet", `#${textOf(id)} · ${cellText("orderDate", orderDate)}`),
		h("span.lines", more > 0 ? `${lines}\n${t("moreLines", {n: more})}` : lines),
		h("span.num", isGone && h("span.tag.warn", cellText("status", status)), amount),
	];
}

/** @param {Order} order */
export function orderLines({items}) {
	const line = (/** @type {OrderLine} */ {productId, quantity}) =>
		h("li", h("bdi", readable(productName(productId))), h("span.num", `× ${cellText("quantity", quantity)}`));
	return h("ul.order-lines", items.map(line));
}

/** @extends {FoldedList<Order>} */
export class OrderList extends FoldedList {
	#customers = new Set();

	/** @param {() => Promise<void>} refresh @param {Fill<Order>} fill */
	constructor(refresh, fill) {
		const wish = () => {
			$("until", HTMLInputElement).min = $("since", HTMLInputElement).value;
			return refresh();
		};
		super("orders", "order", [6, 50], ({id}) => id, wish, fill);
	}

	/** What is to be seen: to read one more tells whether there are others. */
	get wish() {
		return {filters: fieldsOf(this.form), max: this.shown + 1};
	}

	/** Show the orders of one product. @param {number} id */
	only(id) {
		const field = $("product-id", HTMLInputElement);
		this.form.reset();
		field.value = `${id}`;
		field.closest("details")?.setAttribute("open", "");
		field.focus();
	}

	/** @param {Order[]} orders @param {Row} [total] of those that are not cancelled */
	draw(orders, total) {
		this.show(orders, sayOrder, t(Object.keys(this.wish.filters).length ? "noneFound" : "noOrders"));
		for (const {customerName} of orders) this.#customers.add(customerName);
		$("customers").replaceChildren(...[...this.#customers].map(value => h("option", attr({value}))));
		const {zone, isElsewhere} = shopDays();
		$("shop-zone").textContent = isElsewhere ? t("shopZone", {zone}) : "";
		const said = total && {n: cellText("orders", total.orders), amount: cellText("amount", total.amount)};
		say("orders-total", said ? t("ordersTotal", said) : "");
	}
}

/** Save all orders that a filter finds. @type {(pagesOf: (until: Params) => ReadPage, nameProducts: (orders: Order[]) => Promise<void>) => Promise<void>} */
export async function saveOrders(pagesOf, nameProducts) {
	const save = $("csv", HTMLButtonElement);
	save.disabled = true;
	try {
		const {csvOf, orderTable, readOrders, saveFile} = await import("./files.js");
		const orders = await readOrders(pagesOf, n => {
			save.textContent = formatNumber(n);
		});
		await nameProducts(orders);
		const table = orderTable(orders);
		saveFile(`orders-${shopTime(new Date().toISOString()).slice(0, 10)}.csv`, csvOf(table));
		toast(t("csvSaved", {n: formatNumber(orders.length), m: formatNumber(table.length - 1)}));
	} finally {
		save.textContent = t("csv");
		save.disabled = false;
		if (document.activeElement === document.body) save.focus(); // lost while it was disabled
	}
}
