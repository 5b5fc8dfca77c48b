// Buying: what is asked for before it happens, the receipt after it, and what to do when nobody knows.
import { callTool } from "./api.js";
import { json, parse, productName, show } from "./data.js";
import { button, h, icon } from "./dom.js";
import { money, number, t, time } from "./i18n.js";
import { findTool, readStock } from "./world.js";

const DEAF_MS = 400; // a key still held from sending the question must not confirm what it brought up

const isLine = (item) => Number.isInteger(item?.productId) && Number.isInteger(item?.quantity);

/** The purchase in a call's arguments, by its shape: `{customerName, items}`; else null. */
export function purchaseOf(args) {
  const body = args?.input_data ?? args;
  const fits = typeof body?.customerName === "string" && Array.isArray(body.items) && body.items.every(isLine);
  return fits && body.items.length ? body : null;
}

/** The order in a result's text, by its shape; else null. */
export function orderOf(text) {
  const value = parse(text);
  return purchaseOf(value) && typeof value.totalAmount === "number" && "id" in value ? value : null;
}

const amount = (price, quantity) => (Math.round(price * 100) * quantity) / 100;

function linesTable(items, stock, lastLabel, lastCell) {
  const head = ["product", "unitPrice", "quantity", "sum"].map((key, i) => h("th", { scope: "col", class: i ? "num" : "" }, t(key)));
  const body = items.map(({ productId, quantity }) => {
    const { name, price } = stock[productId] ?? {};
    const known = typeof price === "number";
    return h(
      "tr",
      {},
      h("td", {}, name ?? productName(productId)),
      h("td", { class: "num" }, known ? money(price) : "–"),
      h("td", { class: "num" }, number(quantity)),
      h("td", { class: "num" }, known ? money(amount(price, quantity)) : "–"),
      h("td", { class: "num" }, lastCell(productId)),
    );
  });
  head.push(h("th", { scope: "col", class: "num" }, lastLabel));
  return h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": t("product") }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)));
}

function leftAfter(items, stock, id) {
  if (!stock[id]) return "–";
  const wanted = items.filter((item) => item.productId === id).reduce((sum, item) => sum + item.quantity, 0);
  const left = stock[id].quantity - wanted;
  return left < 0 ? h("strong", { class: "bad" }, t("short", { n: number(stock[id].quantity) })) : number(left);
}

function purchaseBody(purchase, stock) {
  const priced = purchase.items.every(({ productId }) => typeof stock[productId]?.price === "number");
  const sum = purchase.items.reduce((all, { productId, quantity }) => all + amount(stock[productId]?.price ?? 0, quantity), 0);
  return [
    linesTable(purchase.items, stock, t("left"), (id) => leftAfter(purchase.items, stock, id)),
    h("dl", { class: "facts" }, h("dt", {}, t("customer")), h("dd", {}, purchase.customerName), priced ? [h("dt", {}, t("total")), h("dd", { class: "total" }, money(sum))] : null),
    priced ? null : h("p", { class: "quiet" }, t("noPrice")),
  ];
}

async function stockOrNothing(server, items) {
  try {
    return await readStock(server, [...new Set(items.map((item) => item.productId))]);
  } catch {
    return {}; // the card then shows ids and says that prices cannot be read
  }
}

/** The question before a writing call; `decide(yes, always)` is called once. */
export async function fillConfirm(box, call, decide) {
  const purchase = purchaseOf(call.args);
  const name = call.title || call.tool;
  const title = purchase ? t("confirmBuy") : t("confirmTool");
  const details = purchase ? purchaseBody(purchase, await stockOrNothing(call.server, purchase.items)) : [json(call.args)];
  const always = h("input", { type: "checkbox" });
  const shown = performance.now();
  const choose = (yes) => (event) => {
    if (event.detail === 0 && performance.now() - shown < DEAF_MS) return;
    decide(yes, always.checked);
  };
  box.setAttribute("aria-label", title);
  box.replaceChildren(
    h("header", {}, h("strong", {}, purchase ? title : t("confirmAsk", { name })), h("span", { class: "quiet" }, t(purchase ? "notYet" : "notYetTool"))),
    ...details.filter(Boolean),
    h("label", { class: "check" }, always, t("always")),
    h("div", { class: "row" }, button(title, choose(true), "primary"), button(t("cancel"), choose(false))),
  );
}

/** The order as a receipt. The stock left is read once, right after the purchase, and kept with the call. */
export async function fillReceipt(box, call, order, save) {
  if (!call.stock) {
    call.stock = await stockOrNothing(call.server, order.items);
    if (Object.keys(call.stock).length) save();
  }
  box.replaceChildren(
    h("header", {}, icon("check"), h("strong", {}, t("receipt")), h("span", { class: "quiet" }, `${t("orderNo")} #${order.id} · ${time(order.orderDate)}`)),
    linesTable(order.items, call.stock, t("left"), (id) => (call.stock[id] ? number(call.stock[id].quantity) : "–")),
    h("dl", { class: "facts" }, h("dt", {}, t("customer")), h("dd", {}, order.customerName), h("dt", {}, t("total")), h("dd", { class: "total" }, money(order.totalAmount))),
  );
}

/** Nobody knows whether the call happened: look at the orders first; `retry` repeats the very same call, or is absent. */
export function fillUnknown(box, call, retry) {
  const found = h("div", {});
  box.replaceChildren(
    h("header", {}, icon("alert"), h("strong", {}, t("unknownTitle"))),
    h("p", {}, t("unknownText")),
    h("div", { class: "row" }, findTool("get_orders", call.server) ? button(t("checkOrders"), () => checkOrders(found, call), "primary") : null, retry ? button(t("unknownRetry"), retry) : null),
    found,
  );
}

async function checkOrders(box, call) {
  const tool = findTool("get_orders", call.server);
  const known = tool.input_schema?.properties ?? {};
  const wanted = { customerName: purchaseOf(call.args)?.customerName, limit: 5 };
  const args = Object.fromEntries(Object.entries(wanted).filter(([key, value]) => key in known && value !== undefined));
  try {
    box.replaceChildren(show((await callTool(call.server, tool.name, args)).result));
  } catch (error) {
    box.replaceChildren(h("p", { class: "bad", role: "alert" }, error.message));
  }
}
