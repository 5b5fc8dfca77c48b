// What get_orders has found: with groupBy a chart of the sales, else the orders.
import {call, cents, dataOf, get, h, line, money, reason, speaker, start, time} from "./bridge.js";

const MAX_ROWS = 31; // a month of days
const say = speaker({
	sales: ["销售", "Sales"],
	list: ["订单", "Orders"],
	amount: ["金额", "Amount"],
	quantity: ["件数", "Items"],
	orders: ["订单数", "Orders"],
	none: ["没有订单。", "No orders."],
	more: ["另有 {count} 项没有画出", "{count} more are not shown"],
	cancelled: [" · 已取消", " · cancelled"],
});
/** @type {("amount" | "quantity" | "orders")[]} */
const MEASURES = ["amount", "quantity", "orders"];
let measure = MEASURES[0];

/** @param {any} row */
const value = row => (measure === "amount" ? cents(row.amount) : row[measure]);
/** @param {number} number */
const shown = number => (measure === "amount" ? money(number) : String(number));

/** @param {any[]} rows */
function chart(rows) {
	const most = Math.max(1, ...rows.map(value));
	return rows.map(row => {
		const part = h("div", {className: "bar"});
		part.style.setProperty("--part", String(value(row) / most));
		return h("li", {}, line("p", row.label, shown(value(row))), part);
	});
}

/** @param {any} order */
function listed({id, customerName, totalAmount, orderDate, status}) {
	const when =
		time(orderDate, {dateStyle: "medium", timeStyle: "short"}) +
		(status === "cancelled" ? say("cancelled") : "");
	return h(
		"li",
		{},
		line("p", `#${id} ${customerName}`, money(cents(totalAmount))),
		h("p", {className: "quiet"}, when),
	);
}

function draw() {
	/** @type {any[]} */
	const rows = dataOf(call.result).result ?? [];
	const isChart = rows.length > 0 && "label" in rows[0];
	const part = rows.slice(0, MAX_ROWS);
	get("title").textContent = say(isChart ? "sales" : "list");
	get("sum").textContent = isChart ? shown(rows.reduce((sum, row) => sum + value(row), 0)) : "";
	get("bars").replaceChildren(...(isChart ? chart(part) : part.map(listed)));
	get("measures").hidden = !isChart;
	for (const button of get("measures").children) {
		button.textContent = say(button.value);
		button.ariaPressed = String(button.value === measure);
	}
	const none = call.result && !rows.length ? say("none") : "";
	const note = rows.length > MAX_ROWS ? say("more", {count: rows.length - MAX_ROWS}) : none;
	get("note").textContent = call.result?.isError ? reason(call.result) : note;
}

for (const each of MEASURES) {
	const onclick = () => {
		measure = each;
		draw();
	};
	get("measures").append(h("button", {type: "button", value: each, onclick}));
}
await start("sales", draw);
