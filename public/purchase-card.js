// Buying on the screen: the question before, the receipt after, and what to do when the outcome is unknown.
import {callTool, messageOf} from "./backend.js";
import {findTool} from "./backend-status.js";
import {button, h, icon} from "./elements.js";
import {formatMoney, formatTime, t} from "./i18n.js";
import {billOf, leftAfter, purchaseOf} from "./purchase.js";
import {drawAnswer, drawJson, drawTable} from "./result-view.js";
import {readStock} from "./tool-client.js";

/** @import {Call} from "./conversations.js" */
/** @import {Order, Purchase, Stock} from "./purchase.js" */

const DEAF_MS = 400; // so that an Enter meant for the question does not buy

/** @param {Call} call @param {Purchase} purchase */
const stockOf = (call, {items}) =>
	readStock(
		call.server,
		items.map(item => item.productId),
	);

/**
 * @param {Purchase} purchase
 * @param {Stock} stock
 * @param {(productId: number) => unknown} left
 * @param {number} [total]
 */
function drawBill(purchase, stock, left, total) {
	const bill = billOf(purchase, stock, left);
	const sum = total ?? bill.sum;
	const shown = sum === null ? "–" : formatMoney(sum);
	const price = h(".row", h("dt", t("total")), h("dd.total.num", shown));
	const facts = h("dl.facts", h("dt", t("customer")), h("dd", purchase.customerName), price);
	return [drawTable(bill.lines), facts, sum === null ? h("p.quiet", t("noPrice")) : ""];
}

/**
 * @param {HTMLElement} box
 * @param {string} label
 * @param {string} sign
 * @param {string} about
 * @param {(Node | string)[]} content
 */
function fillBox(box, label, sign, about, content) {
	box.ariaLabel = label;
	box.replaceChildren(
		h("header", sign && icon(sign), h("strong", label), h("span.quiet", about)),
		h("", content),
	);
}

/**
 * Ask whether this call may run; true if it is still to be decided once its stock has been read.
 * @param {HTMLElement} box @param {Call} call @param {(yes: boolean, forEver: boolean) => void} decide
 */
export async function fillConfirm(box, call, decide) {
	const purchase = purchaseOf(call.args);
	const stock = purchase ? await stockOf(call, purchase) : {};
	if (!box.matches(".waiting")) return false;
	const always = h("input", {type: "checkbox"});
	const shownAt = Date.now();
	/** @param {boolean} yes */
	const choose = yes => (/** @type {MouseEvent} */ event) => {
		const isClick = event.detail > 0;
		if (isClick || Date.now() - shownAt > DEAF_MS) decide(yes, always.checked);
	};
	const label = purchase ? t("confirmBuy") : t("confirmAsk", {name: call.title || call.tool});
	const details = purchase
		? drawBill(purchase, stock, id => leftAfter(purchase, stock, id))
		: [drawJson(call.args)];
	fillBox(box, label, "", t(purchase ? "notYet" : "notYetTool"), details);
	const yes = button(t(purchase ? "confirmBuy" : "confirmTool"), choose(true), ".primary");
	box.append(h("label.check", always, t("always")), h(".row", yes, button(t("cancel"), choose(false))));
	return true;
}

/**
 * Show the order, with the stock as it was right after it.
 * @param {HTMLElement} box
 * @param {Call} call
 * @param {Order} order
 * @param {() => void} save
 */
export async function fillReceipt(box, call, order, save) {
	if (!call.stock) {
		call.stock = await stockOf(call, order);
		save();
	}
	const {stock} = call;
	const about = `${t("orderNo")} #${order.id} · ${formatTime(order.orderDate)}`;
	fillBox(
		box,
		t("receipt"),
		"done",
		about,
		drawBill(order, stock, id => stock[id]?.quantity ?? "–", order.totalAmount),
	);
}

/**
 * Say that the outcome of the call is unknown; `retry` sends the same call again.
 * @param {HTMLElement} box
 * @param {Call} call
 * @param {(() => void) | null} retry
 */
export function fillUnknown(box, call, retry) {
	const found = h("", {role: "status"});
	const {customerName} = purchaseOf(call.args) ?? {};
	const check = async () => {
		const args = {limit: 5, ...(customerName && {customerName})};
		const failed = (/** @type {unknown} */ error) => ({result: messageOf(error)});
		found.replaceChildren(drawAnswer(await callTool(call.server, "get_orders", args).catch(failed)));
	};
	const look = findTool("get_orders", call.server) && button(t("checkOrders"), check, ".primary");
	fillBox(box, t("unknownTitle"), "unknown", "", [h("p", t("unknownText"))]);
	box.append(h(".row", look, retry && button(t("unknownRetry"), retry)), found);
}
