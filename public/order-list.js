// The panel's list of orders: filtered, summed up, unfolded, saved as a file.
import {messageOf} from "./backend.js";
import {$, attr, fieldsOf, followFilters, h, toast} from "./elements.js";
import {saveFile} from "./export.js";
import {foldedList} from "./folded-list.js";
import {formatNumber, shopDays, shopTime, t, textOf} from "./i18n.js";
import {csvOf, orderTable, readOrders} from "./order-file.js";
import {cellText, productName} from "./tool-result.js";

/** @typedef {import("./folded-list.js").Fill<Order>} FillOrder */
/** @typedef {(orders: Order[]) => Promise<void>} NameProducts */

const FIRST_ROWS = 6; // until more are asked for
const MORE_ROWS = 50;
const MAX_LINES = 2; // of an order that is folded

/** @param {Order} order */
function say({id, customerName, orderDate, items, totalAmount, status}) {
	const more = items.length - MAX_LINES;
	const lines = cellText("items", items.slice(0, MAX_LINES));
	const isGone = status === "cancelled";
	return [
		h("strong", customerName),
		h("span.quiet", `#${textOf(id)} · ${cellText("orderDate", orderDate)}`),
		h("span.lines", more > 0 ? `${lines}\n${t("moreLines", {n: more})}` : lines),
		h(
			"span.num",
			isGone && h("span.tag.warn", cellText("status", status)),
			h(isGone ? "s" : "b", cellText("totalAmount", totalAmount)),
		),
	];
}

/** @param {Order} order */
export function orderLines({items}) {
	const lines = items.map(({productId, quantity}) => [
		productName(productId),
		cellText("quantity", quantity),
	]);
	return h("ul.order-lines", ...lines.map(([name, n]) => h("li", name, h("span.num", `× ${n}`))));
}

export class OrderList {
	#shown = FIRST_ROWS;
	#customers = new Set();
	#form = $("order-filter", HTMLFormElement);

	/** @param {() => Promise<void>} refresh @param {FillOrder} fill */
	constructor(refresh, fill) {
		followFilters(this.#form, () => {
			$("until", HTMLInputElement).min = $("since", HTMLInputElement).value;
			this.#shown = FIRST_ROWS;
			refresh();
		});
		this.list = foldedList($("orders"), "order", ({id}) => id, fill);
		$("more-orders").onclick = async () => {
			const first = this.#shown;
			this.#shown += MORE_ROWS;
			await refresh();
			this.list.focus(first);
		};
	}

	/** What is to be seen: to read one more tells whether there are others. */
	get wish() {
		return {filters: fieldsOf(this.#form), max: this.#shown + 1};
	}

	/** Show the orders of one product. @param {number} id */
	only(id) {
		this.#form.reset();
		$("product-id", HTMLInputElement).value = `${id}`;
		$("product-id").closest("details")?.setAttribute("open", "");
		$("product-id").focus();
	}

	/** @param {Order[]} orders @param {Row} [total] of those that are not cancelled */
	draw(orders, total) {
		const none = t(Object.keys(this.wish.filters).length ? "noneFound" : "noOrders");
		this.list.show(orders.slice(0, this.#shown), orders, say, none);
		for (const {customerName} of orders) this.#customers.add(customerName);
		$("customers").replaceChildren(...[...this.#customers].map(value => h("option", attr({value}))));
		$("more-orders").hidden = orders.length <= this.#shown;
		const {zone, isElsewhere} = shopDays();
		$("shop-zone").textContent = isElsewhere ? t("shopZone", {zone}) : "";
		const said = total && {n: cellText("orders", total.orders), amount: cellText("amount", total.amount)};
		$("orders-total").textContent = said ? t("ordersTotal", said) : "";
	}
}

/**
 * Save the orders that a filter finds, all of them.
 * @param {HTMLButtonElement} save @param {Parameters<typeof readOrders>[0]} pagesOf @param {NameProducts} nameProducts
 */
export async function saveOrders(save, pagesOf, nameProducts) {
	save.disabled = true;
	try {
		const orders = await readOrders(pagesOf, n => {
			save.textContent = formatNumber(n);
		});
		await nameProducts(orders);
		const [head, ...rows] = orderTable(orders);
		saveFile(`orders-${shopTime(new Date()).slice(0, 10)}.csv`, csvOf([head, ...rows]));
		toast(t("csvSaved", {n: formatNumber(orders.length), m: formatNumber(rows.length)}));
	} catch (error) {
		toast(messageOf(error));
	}
	save.textContent = t("csv");
	save.disabled = false;
	if (document.activeElement === document.body) save.focus(); // lost while it was disabled
}
