// A purchase as data: recognised by its shape, whatever the tool is called, and what it costs and leaves.
import {formatNumber, t} from "./i18n.js";
import {isOrderLine, parseJson, productName} from "./tool-result.js";

/** @typedef {import("./tool-result.js").OrderLine} OrderLine */
/** @typedef {{customerName: string, items: OrderLine[]}} Purchase */
/** @typedef {Purchase & {id: number, totalAmount: number, orderDate: string}} Order */
/** @typedef {import("./tool-client.js").Stock} Stock */

/** @param {any} args any: whatever a model asked for @returns {Purchase | null} */
export function purchaseOf(args) {
	const body = args?.input_data ?? args;
	return typeof body?.customerName === "string" && body.items?.length && body.items.every?.(isOrderLine)
		? body
		: null;
}

/** @param {string} text @returns {Order | null} */
export function orderOf(text) {
	const order = /** @type {Order | null} */ (purchaseOf(parseJson(text)));
	return typeof order?.totalAmount === "number" ? order : null;
}

/**
 * The lines of a bill and their sum, which is null where a price is unknown.
 * @param {Purchase} purchase @param {Stock} stock @param {(productId: number) => unknown} left
 */
export function billOf({items}, stock, left) {
	const lines = items.map(({productId, quantity}) => {
		const {name = productName(productId), price} = stock[productId] ?? {};
		const amount = price === undefined ? undefined : (Math.round(price * 100) * quantity) / 100;
		return {name, price, quantity, amount, left: left(productId)};
	});
	const sum = lines.reduce((total, {amount}) => total + (amount ?? Number.NaN), 0);
	return {lines, sum: Number.isNaN(sum) ? null : sum};
}

/**
 * What the purchase leaves of a product: a number, or that it is too little.
 * @param {Purchase} purchase
 * @param {Stock} stock
 * @param {number} id
 */
export function leftAfter({items}, stock, id) {
	const available = stock[id]?.quantity;
	if (available === undefined) return "–";
	const left = items.reduce((rest, item) => rest - (item.productId === id ? item.quantity : 0), available);
	return left < 0 ? t("short", {n: formatNumber(available)}) : left;
}
