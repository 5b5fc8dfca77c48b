// A purchase on the screen: its bill, what stands in its way, its fields to be changed, its receipt; loaded when there is one.
import {inTime, shopServer, status} from "./backend.js";
import {attr, button, decision, focusIn, h, icon, onEscape, refill, submitButton} from "./elements.js";
import {visible} from "./exact-text.js";
import {formatMoney, formatNumber, t, textOf} from "./i18n.js";
import {purchaseOf} from "./purchase.js";
import {readRows, takes} from "./tool-client.js";
import {cellText, flattenProducts, productName} from "./tool-result.js";

/** @typedef {{productId: number, name: string, price?: number, quantity: number, amount?: number, left?: number, available?: number, isMissing: boolean}} Line */
/** @typedef {{stock: Stock, isWhole?: boolean, failure?: string}} StockRead `isWhole`: what is not in it does not exist; a failure of the shop */
/** @typedef {(args: Purchase) => void} Change */
/** @typedef {{label: string, of?: unknown, act: () => void}} Choice what is pressed first, and what that is about */

const MAX_QUANTITY = 1_000_000;
const MAX_NAME_CHARS = 100;
/** @type {Map<string, Stock>} by server, of all products that were read: what is drawn until it is read again */
const lastRead = new Map();
let bills = 0; // asked about so far: each has an id
const SHOP_FAILED = /^(shop_|not_a_shop|database_)/; // codes of a shop that could not sell either

/** @param {unknown} value */
const numberOf = value => (typeof value === "number" ? value : undefined);

/** What these products cost when they were read last. @param {string} server @param {number[]} ids @returns {Stock} */
function lastPrices(server, ids) {
	const known = lastRead.get(server) ?? {};
	const found = ids.filter(id => Object.hasOwn(known, id));
	return Object.fromEntries(found.map(id => [id, {...known[id], quantity: undefined}]));
}

/** By these lines' products; where they cannot be read, without a quantity. @type {(server: string, lines: OrderLine[]) => Promise<StockRead>} */
export async function readStock(server, lines) {
	const isWhole = takes("get_inventory", server, "productIds");
	const productIds = [...new Set(lines.map(({productId}) => productId))];
	try {
		const rows = await readRows(server, "get_inventory", isWhole ? {productIds} : {});
		const entries = flattenProducts(rows).map(({productId, name, price, quantity}) => [
			textOf(productId),
			{name: name && textOf(name), price: numberOf(price), quantity: numberOf(quantity)},
		]);
		const stock = Object.fromEntries(entries);
		lastRead.set(server, {...lastRead.get(server), ...stock});
		return {stock, isWhole};
	} catch (/** @type {any} any: of a catch clause */ error) {
		return {
			stock: lastPrices(server, productIds),
			...(SHOP_FAILED.test(error.code) && {failure: error.message}),
		};
	}
}

/** @param {Purchase[]} purchases @param {number} id of a product */
const countOf = (purchases, id) =>
	purchases
		.flatMap(({items}) => items)
		.reduce((sum, {productId, quantity}) => sum + (productId === id ? quantity : 0), 0);

/**
 * The lines of a bill, and their sum if all prices are known.
 * @param {Purchase} purchase @param {StockRead} read @param {Purchase[]} [others] that were confirmed and are not made yet
 */
export function billOf(purchase, {stock, isWhole = false}, others = []) {
	const lines = purchase.items.map(({productId, quantity}) => {
		const known = Object.hasOwn(stock, productId) ? stock[productId] : undefined;
		const {name = productName(productId), price, quantity: inStock} = known ?? {};
		const amount = price === undefined ? undefined : (Math.round(price * 100) * quantity) / 100;
		const available = inStock && Math.max(0, inStock - countOf(others, productId));
		const left = available === undefined ? undefined : available - countOf([purchase], productId);
		return {productId, name, price, quantity, amount, left, available, isMissing: isWhole && !known};
	});
	const isPriced = lines.every(({amount}) => amount !== undefined);
	const cents = lines.reduce((sum, {amount = 0}) => sum + Math.round(amount * 100), 0);
	return {lines, sum: isPriced ? cents / 100 : null};
}

/** @param {Line} line */
const isShort = ({left}) => left !== undefined && left < 0;

/** What can be bought of it: null where all can, or nothing. @param {Line[]} lines @returns {OrderLine[] | null} */
export function restOf(lines) {
	if (!lines.some(line => line.isMissing || isShort(line))) return null;
	const byId = new Map(lines.map(line => [line.productId, line]));
	const rest = [...byId.values()].map(line => ({
		productId: line.productId,
		quantity: isShort(line)
			? (line.available ?? 0)
			: countOf([{customerName: "", items: lines}], line.productId),
	}));
	const items = rest.filter(({productId, quantity}) => quantity > 0 && !byId.get(productId)?.isMissing);
	return items.length ? items : null;
}

/** Why it cannot succeed, each in a sentence. @type {(server: string, purchase: Purchase, read: StockRead, lines: Line[]) => string[]} */
export function problemsOf(server, {customerName}, {failure}, lines) {
	const isReady = status.servers.some(({name, status}) => name === server && status === "ready");
	if (failure || !status.online || !isReady) return [t("shopDown"), failure ?? ""].filter(Boolean);
	const byName = new Map(lines.map(line => [line.productId, line]));
	const said = [...byName.values()].map(line => {
		const {name, productId: id, available: n} = line;
		if (line.isMissing) return t("noProduct", {id});
		return isShort(line) ? t(n ? "tooFew" : "noneLeft", {name: visible(name), n: formatNumber(n ?? 0)}) : "";
	});
	return [...said, customerName.trim() ? "" : t("noCustomer")].filter(Boolean);
}

/** @param {string} label @param {unknown} value */
const fact = (label, value) => h(".row", h("dt", label), h("dd", value));

/** @param {Line} line */
function leftText(line) {
	if (line.isMissing) return "";
	const {left, available} = line;
	if (isShort(line)) return t("short", {n: formatNumber(available ?? 0)});
	return t("left", {n: left === undefined ? "–" : formatNumber(left)});
}

/** @param {Line} line */
function drawLine(line) {
	const {name, price, quantity, amount} = line;
	const each = price === undefined ? "" : ` × ${formatMoney(price)}`;
	const left = h("span.left", leftText(line));
	if (line.isMissing || isShort(line)) left.classList.add("bad");
	const total = h("b.num", amount === undefined ? "–" : formatMoney(amount));
	const much = h("span.num", formatNumber(quantity) + each);
	return h("li", h(".row", h("bdi", visible(name)), total), h(".row.quiet", much, left));
}

/** @type {(purchase: Purchase, lines: Line[], sum: number | null) => HTMLElement[]} */
function drawBill({customerName, idempotencyKey: key}, lines, sum) {
	const facts = [
		fact(t("customer"), h("bdi", visible(customerName))),
		key ? fact(t("sameKey"), h("bdi", visible(key))) : "",
		fact(t("total"), h("b.total.num", sum === null ? "–" : formatMoney(sum))),
	];
	const isUnread = sum === null && !lines.some(({isMissing}) => isMissing);
	return [h("ul.bill", lines.map(drawLine)), h("dl.facts", facts), h("p.quiet", isUnread && t("noPrice"))];
}

/** A line whose quantity can be changed, or which can be left out, unless it is the last. @param {Line} line @param {string | number} quantity as it was typed before @param {() => void} note */
function lineFields({productId, name}, quantity, note) {
	const label = `${t("quantity")}: ${name}`;
	const bounds = {type: "number", min: 1, max: MAX_QUANTITY, step: 1, required: true};
	const field = h("input", attr({...bounds, value: quantity, "aria-label": label}));
	const element = h("li", h("bdi", visible(name)));
	const remove = () => {
		element.remove();
		note();
	};
	element.append(h(".row", field, button(t("leaveOut"), remove)));
	return {element, field, read: () => ({productId, quantity: field.valueAsNumber})};
}

/** The fields of a purchase. @type {(purchase: Purchase, lines: Line[], typing: Typed, change: Change, back: () => void) => HTMLFormElement} */
function drawFields(purchase, lines, {begun, typed}, change, back) {
	const there = () => rows.filter(({element}) => element.isConnected);
	const note = () => {
		const quantities = rows.map(row => (row.element.isConnected ? row.field.value : null));
		typed?.({customer: customer.value, quantities});
	};
	const quantities = begun?.quantities ?? lines.map(({quantity}) => quantity);
	const rows = lines.map((line, i) => lineFields(line, quantities[i] ?? "", note));
	const value = begun?.customer ?? purchase.customerName;
	const customer = h("input", attr({required: true, maxlength: MAX_NAME_CHARS, value}));
	const onsubmit = (/** @type {SubmitEvent} */ event) => {
		event.preventDefault();
		const customerName = customer.value.trim();
		if (customerName) change({...purchase, customerName, items: there().map(({read}) => read())});
	};
	const form = h(
		"form.asks.content",
		attr({onsubmit}),
		h("ul.bill", ...rows.filter((_, i) => quantities[i] !== null).map(({element}) => element)),
		h("label.field", t("customer"), customer),
		h(".row", submitButton(t("update")), button(t("keepAsIs"), back)),
	);
	form.oninput = note;
	onEscape(form, back);
	return form;
}

/**
 * What is asked about: `isAsking` ends once it has been decided on, or is not on the screen; `others` were confirmed
 * and are not made yet; `more` stands beside the buttons.
 * @typedef {Asked & Typed} About
 * @typedef {object} Asked
 * @property {string} server @property {Purchase} purchase
 * @property {() => boolean} isAsking
 * @property {(yes: boolean, total: number | null, purchase: Purchase) => void} decide
 * @property {Change} [change] without it another purchase is asked about in the place of this one
 * @property {() => Purchase[]} [others]
 * @property {HTMLElement} [more]
 */

class AskedPurchase {
	bill = h(".content");
	acts = h(".content");
	/** @type {StockRead} */
	#read = {stock: {}};
	#shown = "";
	shownAt = 0; // what is pressed first
	#isEditing = false;
	// Buttons stay as long as they do the same: one may just be pressed.
	#cancel = decision(t("cancel"), this, () => this.about.decide(false, null, this.about.purchase));
	#change = button(t("change"), () => this.edit(), ".change");
	#row = h(".row");
	/** @type {HTMLElement | null} */
	#first = null;
	#firstFacts = "";

	/** @param {About} about */
	constructor(about) {
		this.about = about;
		this.bill.id = `bill-${++bills}`;
		const onnews = () => {
			if (about.isAsking()) this.look();
			else document.removeEventListener("news", onnews);
		};
		document.addEventListener("news", onnews);
	}

	/** Read what there is, and draw that. */
	async look() {
		const {server, purchase, isAsking} = this.about;
		const found = await readStock(server, purchase.items);
		if (!isAsking()) return;
		this.#read = found;
		this.draw();
	}

	draw() {
		if (this.#isEditing) return;
		const {server, purchase, others} = this.about;
		const {lines, sum} = billOf(purchase, this.#read, others?.());
		this.bill.replaceChildren(...drawBill(purchase, lines, sum));
		const problems = problemsOf(server, purchase, this.#read, lines);
		const now = JSON.stringify([problems, lines, sum]);
		if (now === this.#shown) return;
		this.#shown = now;
		const hadFocus = this.acts.contains(document.activeElement);
		const why = problems.map(text => h("p.problem", icon("unknown"), h("span", text)));
		const more = (!problems.length && this.about.more) || [];
		this.#drawFirst(this.#choice(problems, lines, sum));
		refill(this.#row, [this.#first ?? [], this.#change, this.#cancel].flat());
		refill(this.acts, [...why, ...[more].flat(), this.#row]);
		if (hadFocus && !this.acts.contains(document.activeElement)) focusIn(this.acts, ".primary, .btn");
	}

	/** @param {Choice | null} choice */
	#drawFirst(choice) {
		const facts = JSON.stringify(choice);
		if (facts === this.#firstFacts) return;
		[this.#firstFacts, this.shownAt] = [facts, performance.now()];
		this.#first = choice && decision(choice.label, this, choice.act, ".primary");
		this.#first?.setAttribute("aria-describedby", this.bill.id); // who hears the button hears what it is about
	}

	/** To buy, or what can be done in the place of what would fail. @param {string[]} problems @param {Line[]} lines @param {number | null} sum @returns {Choice | null} */
	#choice([problem], lines, sum) {
		const {purchase, decide} = this.about;
		if (!problem) return {label: t("confirmBuy"), of: sum, act: () => decide(true, sum, purchase)};
		if (problem === t("shopDown")) return {label: t("tryAgain"), act: () => this.look()};
		const items = restOf(lines);
		if (!items) return null;
		const isOne = lines.length === 1;
		const label = isOne ? t("buyLeft", {n: formatNumber(items[0].quantity)}) : t("buyRest");
		return {label, of: items, act: () => this.#become({...purchase, items})};
	}

	/** @type {Change} */
	#become = purchase => {
		if (this.about.change) return this.about.change(purchase);
		this.about.purchase = purchase;
		[this.#isEditing, this.#shown, this.#firstFacts] = [false, "", ""]; // no button of before is about this one
		inTime(this.look()).then(() => this.draw());
	};

	/** @param {unknown} [begun] what was typed before */
	edit(begun) {
		this.#isEditing = true;
		const {purchase, others, typed} = this.about;
		const {lines} = billOf(purchase, this.#read, others?.());
		const back = () => {
			typed?.();
			[this.#isEditing, this.#shown] = [false, ""];
			this.draw();
			focusIn(this.acts, ".change");
		};
		this.bill.replaceChildren(drawFields(purchase, lines, {begun, typed}, this.#become, back));
		this.acts.replaceChildren();
		if (!begun) focusIn(this.bill, "input");
	}
}

/** Ask about a purchase, once its stock has been read, or was not in time; look again whenever the shop has news. @type {(box: HTMLElement, about: About) => Promise<void>} */
export async function askPurchase(box, about) {
	const asked = new AskedPurchase(about);
	await inTime(asked.look());
	if (!about.isAsking()) return;
	asked.draw();
	if (about.begun?.quantities) asked.edit(about.begun);
	box.append(asked.bill, asked.acts);
}

/** A call may turn out to be a purchase once the shop is known; what is being written stays. @type {(call: Call, box: HTMLElement, isAsking: () => boolean, redraw: () => void) => void} */
export function onceShop(call, box, isAsking, redraw) {
	const onnews = () => {
		const isPurchase = purchaseOf(call, shopServer()?.name) && !box.querySelector("textarea");
		if (isAsking() && !isPurchase) return;
		document.removeEventListener("news", onnews);
		if (isAsking()) redraw();
	};
	document.addEventListener("news", onnews);
	onnews();
}

/** What is kept of it once something was chosen, or while it is made. @type {(server: string, purchase: Purchase) => HTMLElement} */
export function chosenBill(server, purchase) {
	const box = h(".content");
	const draw = (/** @type {StockRead} */ read) => {
		const {lines, sum} = billOf(purchase, read);
		box.replaceChildren(...drawBill(purchase, lines, sum));
	};
	draw({stock: lastRead.get(server) ?? {}});
	if (!lastRead.has(server)) readStock(server, purchase.items).then(draw);
	return box;
}

/** What a receipt shows of a stock: no price that is another than the order's. @type {(stock: Stock, order: Order) => Stock} */
function stockOf(stock, order) {
	if (billOf(order, {stock}).sum === order.totalAmount) return stock;
	return Object.fromEntries(Object.entries(stock).map(([id, known]) => [id, {...known, price: undefined}]));
}

/** With the stock as it was right after it, which is read once; with the prices of before, while that takes long. @param {Call} call @param {Order} order @param {() => void} [onread] then */
export async function drawReceipt(call, order, onread = () => {}) {
	const read = async () => {
		call.stock = stockOf((await readStock(call.server, order.items)).stock, order);
		onread();
	};
	if (!call.stock) await inTime(read());
	const ids = order.items.map(({productId}) => productId);
	const stock = call.stock ?? stockOf(lastPrices(call.server, ids), order);
	const lines = billOf(order, {stock}).lines.map(line => ({...line, left: stock[line.productId]?.quantity}));
	const [id, time] = [textOf(order.id), cellText("orderDate", order.orderDate)];
	const title = h("strong", t(call.replayed ? "replayedTitle" : "receipt"));
	return [
		h("header", icon("done"), title, h("span.quiet", `${t("orderNo")} #${id} · ${time}`)),
		h("p.warned", call.replayed && t("replayed", {id, time})),
		h(".content", drawBill(order, lines, order.totalAmount)),
	];
}
