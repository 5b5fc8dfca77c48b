// The shop beside the chat: stock, sales, latest orders; read through the same MCP tools as the model uses.
import {cell, learn} from "./data.js";
import {$, bind, h} from "./dom.js";
import {money, number, t, time} from "./i18n.js";
import {set, settings} from "./store.js";
import {findTool, readRows, world} from "./world.js";

const POLL_MS = 1200; // with the answer's own time, within two seconds of a purchase made anywhere
const LOW_STOCK = 20; // pieces
const BARS = 8;

let seen = "";

const groupBy = () => settings.salesBy ?? "product";

function bar(label, value, most, figure, kind = "") {
	const row = h(`li.bar-row${kind && ".low"}`, h("span.bar-name", label, kind && h("span.tag.warn", t(kind))), h("b.num", figure), h("span.track", h("i")));
	row.style.setProperty("--share", most ? value / most : 0);
	return row;
}

function stockBars(items) {
	const most = Math.max(...items.map(item => item.quantity));
	return items.map(({productId, quantity, product}) => {
		const label = [product?.name ?? `#${productId}`, h("small", cell("price", product?.price))];
		return bar(label, quantity, most, number(quantity), quantity > LOW_STOCK ? "" : quantity ? "low" : "soldOut");
	});
}

function salesBars(items) {
	const most = Math.max(...items.map(item => item.amount));
	const order = groupBy() === "day" ? (a, b) => (a.key < b.key ? 1 : -1) : (a, b) => b.amount - a.amount;
	const label = item => [item.label, h("small", t("pieces", {n: number(item.quantity)}))];
	return items.sort(order).slice(0, BARS).map(item => bar(label(item), item.amount, most, money(item.amount)));
}

const orderRow = ({id, customerName, orderDate, items, totalAmount}) =>
	h("li.order", h("", h("strong", customerName), h("span.quiet", `#${id} · ${time(orderDate)}`)), h("", h("span.lines", cell("items", items)), h("b.num", money(totalAmount))));

const fill = (list, rows) => $(list).replaceChildren(...(rows.length ? rows : [h("li.quiet", t("noOrders"))]));

async function load({name: server, status}) {
	if (status !== "ready") throw new Error(status);
	const group = groupBy();
	const [items, newest] = await Promise.all([readRows(server, "get_inventory", {}), readRows(server, "get_orders", {limit: 6})]);
	const now = JSON.stringify([items, newest, group]);
	if (now === seen) return;
	const summary = await readRows(server, "get_orders", {groupBy: group});
	seen = now;
	learn(items);
	fill("stock", stockBars(items));
	fill("sales", salesBars(summary));
	fill("orders", newest.map(orderRow));
}

/** Read the shop again; `anew` draws it even when nothing changed. */
export async function refreshShop(anew) {
	if (anew) seen = "";
	const server = world.servers.find(({name}) => findTool("get_inventory", name) && findTool("get_orders", name));
	let complaint = server ? "" : "noShop";
	if (server) await load(server).catch(() => (complaint = "stale"));
	$("shop-note").textContent = complaint && t(complaint);
	$("shop").classList.toggle("faded", complaint !== "");
}

/** Keep the shop fresh for as long as it is in sight. */
export async function watchShop() {
	if (!document.hidden && $("shop").checkVisibility({visibilityProperty: true})) await refreshShop();
	setTimeout(watchShop, POLL_MS);
}

bind("sales", groupBy(), group => (set("salesBy", group), refreshShop()));
