// The panel's first tab: stock, sales and newest orders, read through the same tools as the model uses.
import {shopServer, sleep} from "./backend-status.js";
import {$, attr, bindRadios, h} from "./elements.js";
import {t, textOf} from "./i18n.js";
import {preferences, setPreference} from "./preferences.js";
import {readRows} from "./tool-client.js";
import {cellText, flattenProducts} from "./tool-result.js";

/** @typedef {{productId: number, quantity: number, product?: {name: string, price: number}}} StockRow */
/** @typedef {{label: string, amount: number, quantity: number}} SalesRow */
/** @typedef {{id: number, customerName: string, orderDate: string, items: unknown, totalAmount: number}} OrderRow */

const POLL_MS = 1200; // a purchase made anywhere shows within 2 s, including the answer's own time
const RETRY_MS = 200;
const LOW_STOCK_PIECES = 20;
const MAX_BARS = 8;
const MAX_ORDERS = 6;

const groupBy = () => preferences.salesBy ?? "product";

/**
 * @param {unknown} name
 * @param {string} small
 * @param {string} amount
 * @param {number} value
 * @param {number} max
 * @param {string} [warning]
 */
function bar(name, small, amount, value, max, warning = "") {
	const tag = warning && h("span.tag.warn", t(warning));
	const label = h("span.bar-name", name, h("small", small), tag);
	const progress = h("progress", attr({max, value, "aria-hidden": "true"}));
	return h(`li.bar-row${warning && ".low"}`, label, h("b.num", amount), progress);
}

/** @param {number} quantity */
function stockWarning(quantity) {
	if (quantity > LOW_STOCK_PIECES) return "";
	return quantity ? "low" : "soldOut";
}

/** @param {StockRow[]} rows */
function stockBars(rows) {
	const max = Math.max(1, ...rows.map(({quantity}) => quantity));
	return rows.map(({productId, quantity, product}) => {
		const name = product?.name ?? `#${textOf(productId)}`;
		const price = cellText("price", product?.price);
		return bar(name, price, cellText("quantity", quantity), quantity, max, stockWarning(quantity));
	});
}

/** @param {SalesRow[]} rows */
function salesBars(rows) {
	const shown = rows.slice(0, MAX_BARS);
	const max = Math.max(1, ...shown.map(({amount}) => amount));
	return shown.map(({label, amount, quantity}) => {
		const pieces = t("pieces", {n: cellText("quantity", quantity)});
		return bar(label, pieces, cellText("amount", amount), amount, max);
	});
}

/** @param {OrderRow} order */
function orderRow({id, customerName, orderDate, items, totalAmount}) {
	const who = h(
		"",
		h("strong", customerName),
		h("span.quiet", `#${textOf(id)} · ${cellText("orderDate", orderDate)}`),
	);
	return h(
		"li.order",
		who,
		h("", h("span.lines", cellText("items", items)), h("b.num", cellText("totalAmount", totalAmount))),
	);
}

/** @param {string} list @param {HTMLElement[]} rows */
const fill = (list, rows) =>
	$(list).replaceChildren(...(rows.length ? rows : [h("li.quiet", t("noOrders"))]));

export class Panel {
	#seen = "";
	#problem = "";

	constructor() {
		bindRadios("sales", groupBy(), group => {
			setPreference("salesBy", group);
			this.refresh();
		});
	}

	/** @param {boolean} [anew] draw even what has not changed */
	async refresh(anew = false) {
		if (anew) this.#seen = "";
		const server = shopServer();
		this.#problem = server ? "" : "noShop";
		if (server) {
			await this.#load(server).catch(() => {
				this.#problem = "stale";
			});
		}
		$("shop-note").textContent = this.#problem && t(this.#problem);
		$("shop").className = `tab-body ${this.#problem}`;
	}

	/** Refresh for as long as the page is open. */
	async watch() {
		for (;;) {
			await sleep(this.#problem ? RETRY_MS : POLL_MS);
			if (!document.hidden && $("shop").checkVisibility()) await this.refresh();
		}
	}

	/** @param {Server} server */
	async #load({name: server, status: state}) {
		if (state !== "ready") throw new Error(state);
		const group = groupBy();
		const readSales = () => readRows(server, "get_orders", {groupBy: group});
		const [stock, orders, firstSales] = await Promise.all([
			readRows(server, "get_inventory", {}),
			readRows(server, "get_orders", {limit: MAX_ORDERS}),
			this.#seen ? null : readSales(),
		]);
		const now = JSON.stringify([stock, orders, group]);
		if (now === this.#seen) return;
		const sales = firstSales ?? (await readSales());
		this.#seen = now;
		flattenProducts(stock); // remembers the names, which the orders do not carry
		fill("stock", stockBars(/** @type {StockRow[]} */ (stock)));
		fill("sales", salesBars(/** @type {SalesRow[]} */ (sales)));
		fill("orders", /** @type {OrderRow[]} */ (orders).map(orderRow));
	}
}
