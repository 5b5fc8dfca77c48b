// A purchase: what is to be confirmed in the conversation, and its receipt.
import {
	buy,
	call,
	canBuy,
	cents,
	dataOf,
	errorOf,
	get,
	line,
	money,
	readStock,
	reason,
	replayed,
	speaker,
	start,
	time,
} from "./bridge.js";

const say = speaker({
	waiting: ["等待确认", "Waiting for confirmation"],
	placed: ["订单 {id} 已下", "Order {id} is placed"],
	voided: ["订单 {id}（已取消）", "Order {id} (cancelled)"],
	found: ["之前的订单 {id}，没有重复下单", "The earlier order {id}; nothing was ordered twice"],
	failed: ["没有下单", "Nothing was ordered"],
	unknown: ["还不知道有没有下单成功", "It is not known whether the order was placed"],
	stopped: [
		"调用已取消；有没有下单，请查看订单",
		"The call was cancelled; look at the orders to see whether it was placed",
	],
	now: ["按现价合计", "Total at today's prices"],
	total: ["合计", "Total"],
	again: ["再试一次（同一笔订单，不会重复）", "Try the same order again (never twice)"],
});

/** The products of the shop by their ids. @type {Map<number, any>} */
const known = new Map();
/** The answer to a second try. @type {any} */
let retried = null;
let isTrying = false;

const result = () => retried ?? call.result;
const keyToTry = () => (result()?.isError && canBuy() ? errorOf(result()).params?.idempotencyKey : undefined);

/** @param {any} order what was placed, or null */
function headline(order) {
	if (order?.status === "cancelled") return "voided";
	if (order) return replayed(result()) ? "found" : "placed";
	if (isTrying || !result()) return call.isCancelled ? "stopped" : "waiting";
	return errorOf(result()).code === "outcome_unknown" ? "unknown" : "failed";
}

function draw() {
	const order = result() && !result().isError ? dataOf(result()) : null;
	const word = headline(order);
	get("title").textContent = say(word, {id: order?.id});
	get("title").classList.toggle("failed", word === "failed" || word === "unknown");
	get("when").textContent = order ? time(order.orderDate, {dateStyle: "medium", timeStyle: "short"}) : "";
	drawLines(order, order ?? call.args?.input_data ?? {});
	get("said").textContent = result()?.isError && !isTrying ? reason(result()) : "";
	get("again").textContent = say("again");
	get("again").hidden = !keyToTry();
	get("again").disabled = isTrying;
}

/** @param {any} order @param {any} wanted */
function drawLines(order, wanted) {
	/** @type {{productId: number, quantity: number}[]} */
	const items = Array.isArray(wanted.items) ? wanted.items : [];
	const sums = items.map(({productId, quantity}) => cents(known.get(productId)?.price) * quantity);
	const lines = items.map(({productId, quantity}, index) => {
		const sum = order || Number.isNaN(sums[index]) ? "" : money(sums[index]); // what was paid is the total alone
		const name = known.get(productId)?.name ?? `#${productId}`;
		return line("li", `${quantity} × ${name}`, sum);
	});
	get("customer").textContent = wanted.customerName ?? "";
	get("lines").replaceChildren(...lines);
	const total = order ? cents(order.totalAmount) : sums.reduce((sum, each) => sum + each, 0);
	const isKnown = items.length > 0 && !Number.isNaN(total);
	get("total-label").textContent = isKnown ? say(order ? "total" : "now") : "";
	get("total").textContent = isKnown ? money(total) : "";
}

get("again").addEventListener("click", async () => {
	const key = keyToTry();
	if (isTrying || !key) return;
	isTrying = true;
	draw();
	const {customerName, items} = call.args.input_data;
	const tried = await buy({customerName, items}, key);
	isTrying = false;
	// What only the host says has no key in it: the shop's own word stands, and with it the way to try again.
	if (tried.state === "placed" || errorOf(tried.result).code) retried = tried.result;
	draw();
});

await start("receipt", draw);
for (const {productId, product} of (await readStock()) ?? []) known.set(productId, product);
draw();
