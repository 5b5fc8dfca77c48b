// Buying on the screen: the question before, the receipt after, and what to do when the outcome is unknown.
import {callTool, messageOf} from "./backend.js";
import {findTool, shopServer, sleep, statusKnown} from "./backend-status.js";
import {attr, button, h, icon} from "./elements.js";
import {visible} from "./exact-text.js";
import {failureText, formatMoney, t, textOf} from "./i18n.js";
import {billOf, leftAfter, purchaseOf} from "./purchase.js";
import {drawAnswer, drawExact, drawTable} from "./result-view.js";
import {readStock} from "./tool-client.js";
import {cellText} from "./tool-result.js";

const PATIENCE_MS = 1000; // with a shop that does not say its prices: the card can be decided all the same
const DEAF_MS = 400; // so that an Enter meant for the question does not buy

/** What a promise brings in time, else undefined. @template T @param {Promise<T>} promise */
const inTime = promise => Promise.race([promise, sleep(PATIENCE_MS)]);

/** The purchase that a call is, as far as it is known which server the shop is. @param {Call} call */
export async function knownPurchase(call) {
	await inTime(statusKnown);
	return purchaseOf(call, shopServer()?.name);
}

/** @param {string} server @param {Purchase} purchase */
const stockOf = (server, {items}) =>
	readStock(
		server,
		items.map(item => item.productId),
	);

/** @param {string} label @param {string} value */
const fact = (label, value) => h(".row", h("dt", label), h("dd", h("bdi", visible(value))));

/**
 * @param {Purchase} purchase
 * @param {Stock} stock
 * @param {(productId: number) => unknown} left
 * @param {number | null} sum
 */
function drawBill(purchase, stock, left, sum) {
	const {customerName, idempotencyKey} = purchase;
	const shown = sum === null ? "–" : formatMoney(sum);
	const price = h(".row", h("dt", t("total")), h("dd.total.num", shown));
	const key = idempotencyKey && fact(t("sameKey"), idempotencyKey);
	return [
		drawTable(billOf(purchase, stock, left).lines),
		h("dl.facts", fact(t("customer"), customerName), key, price),
		sum === null && h("p.quiet", t("noPrice")),
	];
}

/**
 * @param {HTMLElement} box
 * @param {string} label
 * @param {string} sign
 * @param {string} about
 * @param {unknown[]} content
 */
function fillBox(box, label, sign, about, content) {
	box.ariaLabel = label;
	box.replaceChildren(
		h("header", sign && icon(sign), h("strong", label), h("span.quiet", about)),
		h(".content", content),
	);
}

/**
 * What a purchase costs: drawn at once, and again when a slow shop has said its prices.
 * @param {string} server @param {Purchase} purchase
 * @returns {Promise<[HTMLElement, () => number | null]>} the bill, and the total that it shows
 */
export async function askedBill(server, purchase) {
	const box = h("");
	/** @type {number | null} */
	let total = null;
	/** @param {Stock} stock */
	const show = stock => {
		total = billOf(purchase, stock, () => "").sum;
		box.replaceChildren(
			h(
				"",
				drawBill(purchase, stock, id => leftAfter(purchase, stock, id), total),
			),
		);
	};
	const reading = stockOf(server, purchase);
	const stock = await inTime(reading);
	show(stock ?? {});
	if (!stock) reading.then(show);
	return [box, () => total];
}

/** The call as it will be executed, whatever it claims to be. @param {Call} call */
const drawCall = ({server, tool, raw, args}) => [
	h("p.which", h("bdi", visible(server)), h("span.quiet", " · "), h("bdi", visible(tool))),
	drawExact(raw || textOf(args ?? {})),
];

/**
 * Ask whether this call may run; true if it is still to be decided once its stock has been read, or was not in time.
 * @param {HTMLElement} box @param {Call} call @param {(yes: boolean, how: Decision) => void} decide
 */
export async function fillConfirm(box, call, decide) {
	const purchase = await knownPurchase(call);
	const [bill, total] = purchase ? await askedBill(call.server, purchase) : [null, () => null];
	if (!box.matches(".waiting")) return false;
	const always = h("input", attr({type: "checkbox"}));
	const shownAt = Date.now();
	/** @param {boolean} yes */
	const choose = yes => (/** @type {MouseEvent} */ event) => {
		const isClick = event.detail > 0;
		if (isClick || Date.now() - shownAt > DEAF_MS) decide(yes, {forEver: always.checked, total: total()});
	};
	fillBox(box, t(purchase ? "confirmBuy" : "confirmAsk"), "", t(purchase ? "notYet" : "notYetTool"), [
		call.why && h("p.warned", failureText(call.why)),
		call.mended && h("p.warned", t("mended")),
		...(bill ? [bill] : drawCall(call)),
	]);
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
		const stock = await inTime(stockOf(call.server, order));
		if (stock) call.stock = stock;
		save();
	}
	const {stock = {}} = call;
	const [id, time] = [textOf(order.id), cellText("orderDate", order.orderDate)];
	fillBox(box, t(call.replayed ? "replayedTitle" : "receipt"), "done", `${t("orderNo")} #${id} · ${time}`, [
		call.replayed && h("p.warned", t("replayed", {id, time})),
		...drawBill(order, stock, productId => stock[productId]?.quantity ?? "–", order.totalAmount),
	]);
}

/**
 * Say that the outcome of the call is unknown; `retry` sends the same call again.
 * @param {HTMLElement} box
 * @param {Call} call
 * @param {(() => void) | null} retry
 */
export function fillUnknown(box, call, retry) {
	const found = h("", attr({role: "status"}));
	const customerName = purchaseOf(call, shopServer()?.name)?.customerName;
	const check = async () => {
		const args = {limit: 5, ...(customerName && {customerName})};
		const failed = (/** @type {unknown} */ error) => ({result: messageOf(error)});
		found.replaceChildren(drawAnswer(await callTool(call.server, "get_orders", args).catch(failed)));
	};
	const look = findTool("get_orders", call.server) && button(t("checkOrders"), check);
	const label = t(call.honoursKey ? "unknownRetry" : "continue");
	fillBox(box, t("unknownTitle"), "unknown", "", [h("p", t(retry ? "unknownText" : "unknownFinal"))]);
	box.append(h(".row", retry && button(label, retry, ".primary"), look), found);
}

/**
 * Say that the shop asks another price now, and let it be confirmed.
 * @param {HTMLElement} box @param {Call} call @param {(() => void) | null} again
 */
export function fillPriceChanged(box, call, again) {
	const text = failureText({code: call.code, params: call.params, detail: call.result});
	box.className = "slot unknown";
	fillBox(box, t("priceChanged"), "unknown", "", [h("p", text)]);
	if (again) box.append(h(".row", button(t("confirmAgain"), again, ".primary")));
}
