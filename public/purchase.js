// Buying: the question before, the receipt after, and what to do when nobody knows.
import {callTool} from "./api.js";
import {isLine, json, parse, productName, show, table} from "./data.js";
import {button, h, icon} from "./dom.js";
import {money, number, t, time} from "./i18n.js";
import {findTool, readStock} from "./world.js";

const DEAF_MS = 400; // an Enter meant for the question must not buy

// Known by its shape, whatever the tool is called.
export function purchaseOf(args) {
	const body = args?.input_data ?? args;
	return typeof body?.customerName === "string" && body.items?.length && body.items.every?.(isLine) ? body : null;
}

export function orderOf(text) {
	const order = purchaseOf(parse(text));
	return typeof order?.totalAmount === "number" ? order : null;
}

const stockOf = (call, {items}) => readStock(call.server, items.map(item => item.productId));

function bill({customerName, items}, stock, left, total) {
	const lines = items.map(({productId, quantity}) => {
		const {name = productName(productId), price} = stock[productId] ?? {};
		return {name, price, quantity, amount: price && (Math.round(price * 100) * quantity) / 100, left: left(productId)};
	});
	const sum = total ?? lines.reduce((all, {amount}) => all + amount, 0);
	const facts = h("dl.facts", h("dt", t("customer")), h("dd", customerName), h(".row", h("dt", t("total")), h("dd.total.num", sum >= 0 ? money(sum) : "–")));
	return [table(lines), facts, sum >= 0 ? "" : h("p.quiet", t("noPrice"))];
}

function leftAfter({items}, stock, id) {
	const left = items.reduce((rest, item) => rest - (item.productId === id && item.quantity), stock[id]?.quantity);
	return left < 0 ? t("short", {n: number(stock[id].quantity)}) : Number.isNaN(left) ? "–" : left;
}

function fill(box, label, sign, about, what) {
	box.ariaLabel = label;
	box.replaceChildren(h("header", sign && icon(sign), h("strong", label), h("span.quiet", about)), h("", what));
}

/** Answers whether the user is asked: it may have been decided meanwhile. */
export async function fillConfirm(box, call, decide) {
	const purchase = purchaseOf(call.args);
	const stock = purchase && (await stockOf(call, purchase));
	if (!box.matches(".waiting")) return;
	const always = h("input", {type: "checkbox"});
	const shown = Date.now();
	const choose = yes => event => (event.detail || Date.now() - shown > DEAF_MS) && decide(yes, always.checked);
	const title = purchase ? t("confirmBuy") : t("confirmAsk", {name: call.title || call.tool});
	const details = purchase ? bill(purchase, stock, id => leftAfter(purchase, stock, id)) : json(call.args);
	fill(box, title, "", t(purchase ? "notYet" : "notYetTool"), details);
	const yes = button(t(purchase ? "confirmBuy" : "confirmTool"), choose(true), ".primary");
	box.append(h("label.check", always, t("always")), h(".row", yes, button(t("cancel"), choose(false))));
	return true;
}

/** A receipt shows the stock as it was right after the purchase. */
export async function fillReceipt(box, call, order, save) {
	if (!call.stock) {
		call.stock = await stockOf(call, order);
		save();
	}
	const about = `${t("orderNo")} #${order.id} · ${time(order.orderDate)}`;
	fill(box, t("receipt"), "done", about, bill(order, call.stock, id => call.stock[id]?.quantity ?? "–", order.totalAmount));
}

/** Nobody knows whether the call happened; `retry` repeats the very same one. */
export function fillUnknown(box, call, retry) {
	const found = h("", {role: "status"});
	const {customerName} = purchaseOf(call.args) ?? {};
	const check = async () => {
		const args = {limit: 5, ...(customerName && {customerName})};
		const {result} = await callTool(call.server, "get_orders", args).catch(error => ({result: error.message}));
		found.replaceChildren(show(result));
	};
	const look = findTool("get_orders", call.server) && button(t("checkOrders"), check, ".primary");
	fill(box, t("unknownTitle"), "unknown", "", h("p", t("unknownText")));
	box.append(h(".row", look, retry && button(t("unknownRetry"), retry)), found);
}
