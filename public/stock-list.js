// The panel's list of products with their stock: found, sorted, unfolded.
import {$, bar, fieldsOf, followFilters, h} from "./elements.js";
import {foldedList} from "./folded-list.js";
import {compareTexts, formatNumber, t, textOf} from "./i18n.js";
import {preferences, setPreference} from "./preferences.js";
import {MAX_ROWS} from "./tool-client.js";
import {cellText} from "./tool-result.js";

/** @typedef {{productId: number, quantity: number, product?: {name: string, price: number, description?: string}}} StockRow */
/** @typedef {import("./folded-list.js").Fill<StockRow>} FillProduct */

const LOW_STOCK_PIECES = 20;
const FIRST_ROWS = 20; // until more are asked for
const MORE_ROWS = 100;
const READ_ROWS = 500; // by which most shops are told how many products there are in all

/** @type {Record<string, (a: StockRow, b: StockRow) => number>} */
const SORTS = {
	low: (a, b) => a.quantity - b.quantity,
	cheap: (a, b) => priceOf(a) - priceOf(b),
	dear: (a, b) => priceOf(b) - priceOf(a),
	name: (a, b) => compareTexts(nameOf(a), nameOf(b)),
};

/** @param {StockRow} row */
const priceOf = ({product}) => product?.price ?? 0;

/** @param {StockRow} row */
export const nameOf = ({productId, product}) => product?.name ?? `#${textOf(productId)}`;

/** @param {number} quantity */
function stockWarning(quantity) {
	if (quantity > LOW_STOCK_PIECES) return "";
	return quantity ? "low" : "soldOut";
}

/** @param {StockRow[]} rows @param {string} sort */
export const sortRows = (rows, sort) => (Object.hasOwn(SORTS, sort) ? rows.toSorted(SORTS[sort]) : rows);

export class StockList {
	#shown = FIRST_ROWS;
	#sort = $("sort", HTMLSelectElement);
	#form = $("stock-filter", HTMLFormElement);

	/** @param {() => Promise<void>} refresh @param {FillProduct} fill */
	constructor(refresh, fill) {
		followFilters(this.#form, () => {
			this.#shown = FIRST_ROWS;
			refresh();
		});
		this.list = foldedList($("stock"), "bar-row", ({productId}) => productId, fill);
		this.#sort.value = preferences.sort ?? "";
		this.#sort.onchange = () => {
			setPreference("sort", this.#sort.value);
			refresh();
		};
		$("more-stock").onclick = async () => {
			const first = this.#shown;
			this.#shown += MORE_ROWS;
			await refresh();
			this.list.focus(first);
		};
	}

	/** What is to be seen, and how much is to be read for it: all where they are sorted. */
	get wish() {
		const {low, ...question} = fieldsOf(this.#form);
		/** @type {Params} */
		const filters = low ? {...question, maxQuantity: LOW_STOCK_PIECES} : question;
		const [sort, shown] = [this.#sort.value, this.#shown];
		return {filters, sort, shown, max: sort ? MAX_ROWS : Math.max(READ_ROWS, shown + 1)};
	}

	/** @param {StockRow[]} rows @param {boolean} isWhole there are no others */
	draw(rows, isWhole) {
		const max = Math.max(1, ...rows.map(({quantity}) => quantity));
		const shown = sortRows(rows, this.#sort.value).slice(0, this.#shown);
		this.list.show(shown, rows, row => this.#say(row, max), t("noneFound"));
		const all = formatNumber(rows.length) + (isWhole ? "" : "+");
		$("stock-count").textContent = shown.length < rows.length ? `${shown.length} / ${all}` : all;
		$("more-stock").hidden = shown.length === rows.length;
		const isCut = !isWhole && rows.length >= MAX_ROWS;
		$("stock-cut").textContent = isCut ? t("firstOnly", {n: formatNumber(rows.length)}) : "";
	}

	/** @param {StockRow} row @param {number} max */
	#say(row, max) {
		const {quantity, product} = row;
		const warning = stockWarning(quantity);
		const tag = warning && h("span.tag.warn", t(warning));
		const name = h("span.bar-name", nameOf(row), h("small", cellText("price", product?.price)), tag);
		return bar(name, cellText("quantity", quantity), quantity, max);
	}
}
