// The shop beside the chat: stock, latest orders, sales; read through the same MCP tools as the model uses.
import { callTool } from "./api.js";
import { cell, learn, rows } from "./data.js";
import { h } from "./dom.js";
import { money, number, t, time } from "./i18n.js";
import { settings } from "./store.js";
import { findTool, world } from "./world.js";

const POLL_MS = 1200; // with the answer's own time, within two seconds of a purchase made anywhere
const LOW_STOCK = 10;
const GROUPS = ["product", "customer", "day"];
const BARS = 8;

const shopServer = () => world.servers.find(({ name }) => findTool("get_inventory", name) && findTool("get_orders", name))?.name;

async function read(server, name, args) {
  const { result, isError } = await callTool(server, name, args);
  const list = isError ? null : rows(result);
  if (!list) throw new Error(result);
  return list;
}

const share = (element, value, of) => (element.style.setProperty("--share", `${of ? Math.max(1, (100 * value) / of) : 0}%`), element);

function bar(label, value, of, figure, kind = "") {
  return share(h("li", { class: `bar-row ${kind}` }, h("span", { class: "bar-name" }, label), h("span", { class: "bar-figure" }, figure), h("span", { class: "track" }, h("i", {}))), value, of);
}

function stockRow({ productId, quantity, product }, most) {
  const kind = quantity === 0 ? "out" : quantity <= LOW_STOCK ? "low" : "";
  const tag = kind ? h("span", { class: "tag warn" }, t(kind === "out" ? "soldOut" : "low")) : "";
  const label = h("span", {}, product?.name ?? `#${productId}`, h("small", {}, typeof product?.price === "number" ? money(product.price) : ""), tag);
  return bar(label, quantity, most, number(quantity), kind);
}

function orderRow(order) {
  return h(
    "li",
    { class: "order" },
    h("div", {}, h("strong", {}, order.customerName), h("span", { class: "quiet" }, `#${order.id} · ${time(order.orderDate)}`)),
    h("div", {}, h("span", { class: "lines" }, cell("items", order.items)), h("b", {}, money(order.totalAmount))),
  );
}

export class Shop {
  #box;
  #seen = "";
  #timer = 0;
  #stock = h("ul", { class: "bars" });
  #orders = h("ul", { class: "orders" });
  #sales = h("ul", { class: "bars" });
  #stale = h("p", { class: "bad", hidden: true, role: "status" });
  #active = false;
  #asked = 0;

  constructor(box) {
    this.#box = box;
    document.addEventListener("visibilitychange", () => this.refresh());
  }

  draw() {
    if (!shopServer() && !this.#seen) return this.#box.replaceChildren(h("p", { class: "quiet" }, t("noShop")));
    const chosen = this.#group();
    const options = GROUPS.map((group) => {
      const pick = () => (settings.set("salesBy", group), (this.#seen = ""), this.refresh());
      return h("label", {}, h("input", { type: "radio", name: "sales", value: group, checked: group === chosen, onchange: pick }), h("span", {}, t(`by${group}`)));
    });
    this.#seen = "";
    this.#box.replaceChildren(
      this.#stale,
      h("section", {}, h("h2", {}, t("stock")), this.#stock),
      h("section", {}, h("header", {}, h("h2", {}, t("sales")), h("div", { class: "choice", role: "radiogroup", "aria-label": t("salesBy") }, options)), this.#sales),
      h("section", {}, h("h2", {}, t("orders")), this.#orders),
    );
    return this.refresh();
  }

  #group = () => (GROUPS.includes(settings.get("salesBy")) ? settings.get("salesBy") : GROUPS[0]);

  /** Show and keep fresh, or rest. */
  activate(on) {
    const before = this.#active;
    this.#active = on;
    if (on && !before) this.draw();
  }

  async refresh() {
    clearTimeout(this.#timer);
    if (!this.#active || document.hidden) return;
    const ticket = (this.#asked += 1);
    await this.#load(ticket);
    if (ticket === this.#asked) this.#timer = setTimeout(() => this.refresh(), POLL_MS);
  }

  async #load(ticket) {
    const server = shopServer();
    try {
      if (!server) throw new Error(t("noShop"));
      const [stock, orders] = await Promise.all([read(server, "get_inventory", {}), read(server, "get_orders", { limit: 6 })]);
      const now = JSON.stringify([stock, orders]);
      if (ticket !== this.#asked) return;
      this.#fresh(true);
      if (now === this.#seen) return;
      const sales = await read(server, "get_orders", { groupBy: this.#group() });
      if (ticket !== this.#asked) return;
      this.#seen = now;
      this.#show(stock, orders, sales);
    } catch {
      this.#fresh(false);
    }
  }

  #fresh(yes) {
    this.#stale.hidden = yes;
    if (!yes) this.#stale.textContent = t("stale");
    this.#box.classList.toggle("faded", !yes);
  }

  #show(stock, orders, sales) {
    learn(stock);
    const most = Math.max(...stock.map((item) => item.quantity), 1);
    this.#stock.replaceChildren(...stock.map((item) => stockRow(item, most)));
    this.#orders.replaceChildren(...(orders.length ? orders.map(orderRow) : [h("li", { class: "quiet" }, t("noOrders"))]));
    const top = [...sales].sort((a, b) => (this.#group() === "day" ? b.key.localeCompare(a.key) : b.amount - a.amount)).slice(0, BARS);
    const largest = Math.max(...top.map((item) => item.amount), 0);
    const rowsOf = top.map((item) => bar(h("span", {}, item.label, h("small", {}, t("pieces", { n: number(item.quantity) }))), item.amount, largest, money(item.amount)));
    this.#sales.replaceChildren(...(rowsOf.length ? rowsOf : [h("li", { class: "quiet" }, t("noOrders"))]));
  }
}
