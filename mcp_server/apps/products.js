// Products as cards: several are chosen into one order, which the host places after its own confirmation.
import {
	buy,
	call,
	canBuy,
	cents,
	dataOf,
	get,
	h,
	keepFresh,
	line,
	money,
	newKey,
	readStock,
	reason,
	replayed,
	speaker,
	start,
} from "./bridge.js";

/** @typedef {{id: number, name: string, price: number, description: string}} Product */

const MOST = 1_000_000; // of one product, while its stock is not known
const LOW = 10;
const say = speaker({
	title: ["商品", "Products"],
	empty: ["没有找到商品。", "No products found."],
	left: ["可售 {count} 件", "{count} available"],
	none: ["暂时缺货", "Sold out"],
	fewer: ["{name}：少一件", "{name}: one fewer"],
	more: ["{name}：多一件", "{name}: one more"],
	count: ["{name}：件数", "{name}: quantity"],
	total: ["按现价合计", "Total at today's prices"],
	customer: ["客户名称", "Customer's name"],
	buy: ["下单", "Order"],
	again: ["再试一次（同一笔订单）", "Try the same order again"],
	other: ["另下一单", "A new order"],
	sending: ["请在对话里确认，正在等待结果…", "Confirm in the conversation; waiting for the outcome…"],
	placed: ["订单 {id} 已下，共 {total}", "Order {id} is placed, {total} in all"],
	found: [
		"这是之前的订单 {id}，共 {total}，没有重复下单",
		"This is the earlier order {id}, {total} in all; nothing was ordered twice",
	],
	refused: ["没有下单：", "Nothing was ordered: "],
	unknown: [
		"还不知道有没有下单成功。再试一次不会重复购买；另下一单之前，请先查看订单。",
		"It is not known whether the order was placed. Trying again never orders twice; look at the orders before you make a new one.",
	],
});

/** What draws the card of each product. @type {Map<number, (product: Product) => void>} */
const cards = new Map();
/** What the shop has now of each product. @type {Map<number, {quantity: number, product: Product}>} */
let fresh = new Map();
/** How many are chosen of each. @type {Map<number, number>} */
const chosen = new Map();
/** What is ordered, and the key that it keeps until it is placed. @type {{text: string, key: string} | null} */
let intent = null;
/** @type {{state: "sending" | "placed" | "refused" | "unknown", result: any} | null} */
let outcome = null;

/** @type {Product[]} */
let products = [];
const isLocked = () => outcome?.state === "sending" || outcome?.state === "unknown";
const many = (/** @type {number} */ id) => chosen.get(id) ?? 0;
const most = (/** @type {number} */ id) => fresh.get(id)?.quantity ?? MOST;

/** @param {number} id @param {number} count */
function choose(id, count) {
	const whole = Math.max(0, Math.min(Math.trunc(count) || 0, most(id)));
	if (whole) chosen.set(id, whole);
	else chosen.delete(id);
	outcome = null;
	draw();
}

/** Add the card of a product, and return what draws it. @param {number} id */
function card(id) {
	const count = h("input", {type: "number", min: "0", step: "1", inputMode: "numeric"});
	count.onchange = () => {
		choose(id, Number(count.value));
		count.value = String(many(id)); // it may have the focus, and more than there are
	};
	const step = (/** @type {number} */ by, /** @type {string} */ text) =>
		h("button", {type: "button", onclick: () => choose(id, many(id) + by)}, text);
	const [fewer, more] = [step(-1, "−"), step(1, "+")];
	const stepper = h("div", {className: "stepper"}, fewer, count, more);
	const [title, about, cost] = [
		h("h2"),
		h("p", {className: "quiet"}),
		h("span", {className: "strong number"}),
	];
	const left = h("span", {className: "quiet"});
	const element = h(
		"li",
		{className: "card"},
		title,
		about,
		h("p", {className: "line"}, cost, left),
		stepper,
	);
	get("cards").append(element);
	return (/** @type {Product} */ {name, price, description}) => {
		title.textContent = name;
		about.textContent = description;
		cost.textContent = money(cents(price));
		drawStock(left, fresh.get(id)?.quantity);
		element.classList.toggle("chosen", many(id) > 0);
		stepper.hidden = !canBuy();
		if (count !== document.activeElement) count.value = String(many(id));
		fewer.ariaLabel = say("fewer", {name});
		count.ariaLabel = say("count", {name});
		more.ariaLabel = say("more", {name});
		count.disabled = isLocked() || !most(id);
		fewer.disabled = isLocked() || !many(id);
		more.disabled = isLocked() || many(id) >= most(id);
	};
}

/** @param {any} element @param {number | undefined} count */
function drawStock(element, count) {
	element.classList.toggle("low", count !== undefined && count <= LOW);
	if (count !== undefined) element.textContent = count ? say("left", {count}) : say("none");
}

function draw() {
	/** @type {Product[]} */
	const listed = dataOf(call.result).result ?? [];
	products = listed.map(product => fresh.get(product.id)?.product ?? product);
	get("title").textContent = say("title");
	const empty = call.result && !products.length ? say("empty") : (dataOf(call.result).note ?? "");
	get("note").textContent = call.result?.isError ? reason(call.result) : empty;
	for (const product of products) {
		if (!cards.has(product.id)) cards.set(product.id, card(product.id));
		cards.get(product.id)?.(product);
	}
	drawOrder();
	drawOutcome();
}

function drawOrder() {
	const lines = products.filter(({id}) => chosen.has(id));
	const sums = lines.map(({id, price}) => cents(price) * many(id));
	const drawn = lines.map(({id, name}, index) => line("li", `${many(id)} × ${name}`, money(sums[index])));
	get("order").hidden = !lines.length || !canBuy();
	get("lines").replaceChildren(...drawn);
	get("total-label").textContent = say("total");
	get("total").textContent = money(sums.reduce((sum, each) => sum + each, 0));
	get("customer-label").textContent = say("customer");
	get("customer").disabled = isLocked();
	get("buy").textContent = say(outcome?.state === "unknown" ? "again" : "buy");
	get("buy").disabled = outcome?.state === "sending";
}

function drawOutcome() {
	const box = get("outcome");
	box.hidden = !outcome;
	if (!outcome) return;
	const {state, result} = outcome;
	const {id, totalAmount} = dataOf(result);
	const said = say(replayed(result) ? "found" : state, {id, total: money(cents(totalAmount ?? 0))});
	box.classList.toggle("failed", state === "refused" || state === "unknown");
	box.replaceChildren(h("p", {}, state === "refused" ? said + reason(result) : said));
	if (state === "unknown") box.append(h("button", {type: "button", onclick: begin}, say("other")));
}

function begin() {
	intent = outcome = null;
	draw();
}

async function order() {
	if (outcome?.state === "sending") return; // the second press of two
	if (!get("customer").reportValidity()) return;
	const items = [...chosen].map(([productId, quantity]) => ({productId, quantity}));
	const wanted = {customerName: get("customer").value.trim(), items};
	const text = JSON.stringify(wanted);
	if (intent?.text !== text) intent = {text, key: newKey()};
	outcome = {state: "sending", result: null};
	draw();
	outcome = await buy(wanted, intent.key);
	if (outcome.state === "placed") {
		intent = null;
		chosen.clear();
	}
	draw();
	await refresh();
}

async function refresh() {
	const read = await readStock();
	if (read) fresh = new Map(read.map(item => [item.productId, item]));
	draw();
}

// No form: in a frame that may run scripts alone, none is ever submitted.
get("buy").addEventListener("click", order);
get("customer").addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
	if (event.key === "Enter" && !event.isComposing) order();
});
await start("products", draw);
keepFresh(refresh);
