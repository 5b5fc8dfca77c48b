// Buying: what is asked for before it happens, the receipt after it, and what to do when nobody knows.
import { isLine, json, parse, productName, show, table } from "./data.js";
import { callTool } from "./api.js";
import { button, h, icon } from "./dom.js";
import { money, number, t, time } from "./i18n.js";
import { findTool, readStock } from "./world.js";

const DEAF_MS = 400; // a key still held from sending the question must not confirm what it brought up

/** The purchase in a call's arguments, by its shape: `{customerName, items}`; else null. */
export function purchaseOf(args) {
  const body = args?.input_data ?? args;
  return typeof body?.customerName === "string" && body.items?.length && body.items.every?.(isLine) ? body : null;
}

/** The order in a result's text, by its shape; else null. */
export function orderOf(text) {
  const order = purchaseOf(parse(text));
  return typeof order?.totalAmount === "number" ? order : null;
}

const stockOf = (call, { items }) => readStock(call.server, items.map((item) => item.productId));

/** Lines, customer and total; `left(id)` is what remains of a product. */
function bill({ customerName, items }, stock, left, total) {
  const lines = items.map(({ productId, quantity }) => {
    const { name = productName(productId), price } = stock[productId] ?? {};
    const amount = price === undefined ? undefined : (Math.round(price * 100) * quantity) / 100;
    return { name, price, quantity, amount, left: left(productId) };
  });
  const sum = total ?? lines.reduce((all, { amount }) => all + amount, 0);
  const facts = [h("dt", t("customer")), h("dd", customerName), h("dt", t("total")), h("dd.total", Number.isNaN(sum) ? "–" : money(sum))];
  return [table(lines), h("dl.facts", facts), Number.isNaN(sum) && h("p.quiet", t("noPrice"))];
}

function leftAfter({ items }, stock, id) {
  if (!stock[id]) return "–";
  const left = items.reduce((rest, item) => rest - (item.productId === id ? item.quantity : 0), stock[id].quantity);
  return left < 0 ? t("short", { n: number(stock[id].quantity) }) : left;
}

/** The question before a writing call; `decide(yes, always)` hears the answer. */
export async function fillConfirm(box, call, decide) {
  const purchase = purchaseOf(call.args);
  const stock = purchase && (await stockOf(call, purchase));
  const details = purchase ? bill(purchase, stock, (id) => leftAfter(purchase, stock, id)) : json(call.args);
  const title = t(purchase ? "confirmBuy" : "confirmTool");
  const always = h("input", { type: "checkbox" });
  const shown = performance.now();
  const choose = (yes) => (event) => (event.detail || performance.now() - shown > DEAF_MS) && decide(yes, always.checked);
  box.ariaLabel = title;
  box.replaceChildren(
    h("header", h("strong", purchase ? title : t("confirmAsk", { name: call.title || call.tool })), h("span.quiet", t(purchase ? "notYet" : "notYetTool"))),
    h("", details),
    h("label.check", always, t("always")),
    h(".row", button(title, choose(true), ".primary"), button(t("cancel"), choose(false))),
  );
}

/** The order as a receipt. The stock left is read once, right after the purchase, and kept with the call. */
export async function fillReceipt(box, call, order, save) {
  if (!call.stock) {
    call.stock = await stockOf(call, order);
    save();
  }
  const about = `${t("orderNo")} #${order.id} · ${time(order.orderDate)}`;
  const left = (id) => call.stock[id]?.quantity ?? "–";
  box.ariaLabel = t("receipt");
  box.replaceChildren(h("header", icon("check"), h("strong", t("receipt")), h("span.quiet", about)), h("", bill(order, call.stock, left, order.totalAmount)));
}

/** Nobody knows whether the call happened: look at the orders first; `retry` repeats the very same call, or is absent. */
export function fillUnknown(box, call, retry) {
  const found = h("", { role: "status" });
  const check = async () => {
    const customerName = purchaseOf(call.args)?.customerName;
    const { result } = await callTool(call.server, "get_orders", { limit: 5, ...(customerName && { customerName }) }).catch((error) => ({ result: error.message }));
    found.replaceChildren(show(result));
  };
  const buttons = [findTool("get_orders", call.server) && button(t("checkOrders"), check, ".primary"), retry && button(t("unknownRetry"), retry)];
  box.ariaLabel = t("unknownTitle");
  box.replaceChildren(h("header", icon("alert"), h("strong", t("unknownTitle"))), h("p", t("unknownText")), h(".row", buttons), found);
}
