// The shop beside the chat, read through the same MCP tools as the model uses.
import {cell, learn} from "./data.js";
import {$, bind, h, sleep} from "./dom.js";
import {money, number, t, time} from "./i18n.js";
import {set, settings} from "./store.js";
import {findTool, readRows, world} from "./world.js";

const POLL_MS = 1200; // with the answer's own time, within two seconds of a purchase made anywhere
const RETRY_MS = 200; // once it answers again, that shows at once
const LOW_STOCK = 20; // pieces
const BARS = 8;

let seen = "";

const groupBy = () => settings.salesBy ?? "product";

function bars(items, of, name, small, warn = () => "") {
	const max = Math.max(1, ...items.map(item => item[of]));
	return items.map(item => {
		const kind = warn(item);
		const label = h("span.bar-name", `${name(item)}`, h("small", small(item)), kind && h("span.tag.warn", t(kind)));
		return h(`li.bar-row${kind && ".low"}`, label, h("b.num", cell(of, item[of])), h("progress", {max, value: item[of], ariaHidden: "true"}));
	});
}

const nameOf = ({productId, product}) => product?.name ?? `#${productId}`;
const priceOf = ({product}) => cell("price", product?.price);
const warning = ({quantity}) => (quantity > LOW_STOCK ? "" : quantity ? "low" : "soldOut");
const piecesOf = ({quantity}) => t("pieces", {n: number(quantity)});

const orderRow = ({id, customerName, orderDate, items, totalAmount}) =>
	h("li.order", h("", h("strong", `${customerName}`), h("span.quiet", `#${id} · ${time(orderDate)}`)), h("", h("span.lines", cell("items", items)), h("b.num", money(totalAmount))));

const fill = (list, rows) => $(list).replaceChildren(...(rows.length ? rows : [h("li.quiet", t("noOrders"))]));

async function load({name: server, status}) {
	if (status !== "ready") throw new Error(status);
	const group = groupBy();
	const sum = () => readRows(server, "get_orders", {groupBy: group});
	const asked = [readRows(server, "get_inventory", {}), readRows(server, "get_orders", {limit: 6}), seen ? null : sum()];
	const [items, newest, first] = await Promise.all(asked);
	const now = JSON.stringify([items, newest, group]);
	if (now === seen) return;
	const summary = first ?? (await sum());
	seen = now;
	learn(items);
	fill("stock", bars(items, "quantity", nameOf, priceOf, warning));
	fill("sales", bars(summary.slice(0, BARS), "amount", item => item.label, piecesOf));
	fill("orders", newest.map(orderRow));
}

export async function refreshShop(anew) {
	if (anew) seen = "";
	const server = world.servers.find(({name}) => findTool("get_inventory", name) && findTool("get_orders", name));
	let complaint = server ? "" : "noShop";
	if (server) await load(server).catch(() => (complaint = "stale"));
	$("shop-note").textContent = complaint && t(complaint);
	$("shop").className = `tab-body ${complaint}`;
}

export async function watchShop() {
	for (;;) {
		await sleep($("shop-note").textContent ? RETRY_MS : POLL_MS);
		if (!document.hidden && $("shop").checkVisibility()) await refreshShop();
	}
}

bind("sales", groupBy(), group => (set("salesBy", group), refreshShop()));
