// Stock as bars, which stay fresh while they can be seen.
import {call, dataOf, get, h, keepFresh, readStock, reason, speaker, start, time} from "./bridge.js";

const LOW = 10;
const say = speaker({
	title: ["库存", "Stock"],
	none: ["没有商品。", "No products."],
	at: ["更新于 {at}", "as of {at}"],
	count: ["{count} 件", "{count}"],
});

/** What draws the bar of each product. @type {Map<number, (item: any, most: number) => void>} */
const bars = new Map();
/** What was read since the call. @type {Map<number, any>} */
let fresh = new Map();
let at = new Date();

/** Add the bar of a product, and return what draws it. */
function bar() {
	const [name, count, part] = [h("span"), h("span", {className: "number"}), h("div", {className: "bar"})];
	const line = h("p", {className: "line"}, name, count);
	get("bars").append(h("li", {}, line, part));
	return (/** @type {any} */ {productId, quantity, product}, /** @type {number} */ most) => {
		name.textContent = product?.name ?? `#${productId}`;
		count.textContent = say("count", {count: quantity});
		line.classList.toggle("low", quantity <= LOW);
		part.style.setProperty("--part", String(quantity / most));
	};
}

function draw() {
	/** @type {any[]} */
	const listed = dataOf(call.result).result ?? [];
	const items = listed.map(item => fresh.get(item.productId) ?? item);
	const most = Math.max(1, ...items.map(item => item.quantity));
	for (const item of items) {
		if (!bars.has(item.productId)) bars.set(item.productId, bar());
		bars.get(item.productId)?.(item, most);
	}
	get("title").textContent = say("title");
	get("when").textContent = call.result
		? say("at", {at: time(at, {timeStyle: "medium", hourCycle: "h23"})})
		: "";
	const none = call.result && !items.length ? say("none") : "";
	get("note").textContent = call.result?.isError ? reason(call.result) : none;
}

async function refresh() {
	const read = await readStock();
	if (read) [fresh, at] = [new Map(read.map(item => [item.productId, item])), new Date()];
	draw();
}

await start("stock", draw);
keepFresh(refresh);
