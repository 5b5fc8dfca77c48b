// The shop beside the chat: stock, sales, latest orders; read through the same MCP tools as the model uses.
import { cell, learn } from "./data.js";
import { choice, h } from "./dom.js";
import { money, number, t, time } from "./i18n.js";
import { set, settings } from "./store.js";
import { findTool, readRows, world } from "./world.js";

const POLL_MS = 1200; // with the answer's own time, within two seconds of a purchase made anywhere
const LOW_STOCK = 20; // pieces
const BARS = 8;
const GROUPS = ["product", "customer", "day"];

const stock = h("ul.bars");
const sales = h("ul.bars");
const orders = h("ul.orders");
let seen = "";

const shopServer = () => world.servers.find(({ name }) => findTool("get_inventory", name) && findTool("get_orders", name))?.name;
const groupBy = () => (GROUPS.includes(settings.salesBy) ? settings.salesBy : GROUPS[0]);

function bar(label, value, most, figure, kind = "") {
  const row = h(`li.bar-row${kind && ".low"}`, h("span.bar-name", label, kind && h("span.tag.warn", t(kind))), h("b.num", figure), h("span.track", h("i")));
  row.style.setProperty("--share", most ? value / most : 0);
  return row;
}

function stockBars(items) {
  const most = Math.max(...items.map((item) => item.quantity));
  return items.map(({ productId, quantity, product }) => {
    const label = [product?.name ?? `#${productId}`, h("small", cell("price", product?.price))];
    return bar(label, quantity, most, number(quantity), quantity > LOW_STOCK ? "" : quantity ? "low" : "soldOut");
  });
}

function salesBars(items) {
  const most = Math.max(...items.map((item) => item.amount));
  const order = groupBy() === "day" ? (a, b) => (a.key < b.key ? 1 : -1) : (a, b) => b.amount - a.amount;
  const label = (item) => [item.label, h("small", t("pieces", { n: number(item.quantity) }))];
  return items.sort(order).slice(0, BARS).map((item) => bar(label(item), item.amount, most, money(item.amount)));
}

const orderRow = ({ id, customerName, orderDate, items, totalAmount }) =>
  h("li.order", h("", h("strong", customerName), h("span.quiet", `#${id} · ${time(orderDate)}`)), h("", h("span.lines", cell("items", items)), h("b.num", money(totalAmount))));

const fill = (list, rows) => list.replaceChildren(...(rows.length ? rows : [h("li.quiet", t("noOrders"))]));

async function load(server) {
  const group = groupBy();
  const [items, newest] = await Promise.all([readRows(server, "get_inventory", {}), readRows(server, "get_orders", { limit: 6 })]);
  const now = JSON.stringify([items, newest, group]);
  if (now === seen) return;
  const summary = await readRows(server, "get_orders", { groupBy: group });
  seen = now;
  learn(items);
  fill(stock, stockBars(items));
  fill(sales, salesBars(summary));
  fill(orders, newest.map(orderRow));
}

/** Put the shop into `box`, and keep it fresh for as long as it is in sight. */
export function drawShop(box) {
  const pick = (group) => (set("salesBy", group), refreshShop(box));
  const groups = choice(t("salesBy"), groupBy(), GROUPS.map((group) => [group, t(`by_${group}`)]), pick);
  seen = "";
  box.replaceChildren(
    h("p.bad", { role: "status" }),
    h("section", h("h2", t("stock")), stock),
    h("section", h("header", h("h2", t("sales")), groups), sales),
    h("section", h("h2", t("orders")), orders),
  );
  refreshShop(box);
}

async function refreshShop(box) {
  const server = shopServer();
  let complaint = server ? "" : t("noShop");
  if (server) await load(server).catch(() => (complaint = t("stale")));
  box.firstChild.textContent = complaint;
  box.classList.toggle("faded", complaint !== "");
}

export async function watchShop(box) {
  if (!document.hidden && box.checkVisibility({ visibilityProperty: true })) await refreshShop(box);
  setTimeout(watchShop, POLL_MS, box);
}
