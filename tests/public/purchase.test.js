import assert from "node:assert/strict";
import {test} from "node:test";
import {billOf, leftAfter, orderOf, purchaseOf} from "../../public/purchase.js";

const items = [{productId: 2, quantity: 3}];
const purchase = {customerName: "客户A", items};
const stock = {2: {name: "耳机", price: 0.1, quantity: 10}};

const call = (args, more) => ({
	server: "shop",
	tool: "create_purchase",
	honoursKey: true,
	raw: typeof args === "string" ? args : JSON.stringify(args),
	...more,
});
const asked = body => call({input_data: body});
const again = {...purchase, idempotencyKey: "k"};

for (const [found, expected] of [
	[asked(purchase), purchase],
	[asked(again), again],
	[
		call('{ "input_data": {"customerName": "\\u5ba2户A", "items": [{"productId": 2, "quantity": 3}]} }'),
		purchase,
	],
	[call({input_data: purchase}, {server: "other"}), null],
	[call({input_data: purchase}, {tool: "run"}), null],
	[call({input_data: purchase}, {honoursKey: false}), null],
	[call({input_data: purchase, command: "rm"}), null],
	[call({input_data: purchase, toString: 1}), null],
	[call(purchase), null],
	[asked({...purchase, command: "rm"}), null],
	[asked({...purchase, idempotencyKey: {a: 1}}), null],
	[asked({customerName: "客户A", items: [{productId: 2, quantity: 3, price: 0}]}), null],
	[asked({customerName: "客户A", items: [{productId: 2, quantity: -3}]}), null],
	[asked({customerName: "客户A", items: []}), null],
	[asked({customerName: "客户A", items: "x"}), null],
	[asked({customerName: "客户A", items: [{productId: "2", quantity: 3}]}), null],
	[asked({items}), null],
	[call(`{"input_data": ${JSON.stringify(purchase)}, "input_data": ${JSON.stringify(purchase)}}`), null],
	[call(JSON.stringify({input_data: purchase}).replace("3", "9007199254740993")), null],
	[call(JSON.stringify({input_data: purchase}).replace("3", "3.0")), null],
	[call("text"), null],
	[call("null"), null],
	[call(undefined), null],
]) {
	test(`${found.server} ${found.tool} ${found.raw} ${expected ? "is a" : "is no"} purchase`, () =>
		assert.deepEqual(purchaseOf(found, "shop"), expected));
}

test("without a shop nothing is a purchase", () =>
	assert.equal(purchaseOf({tool: "create_purchase", honoursKey: true, raw: "{}"}, undefined), null));

test("a result is an order if it is a purchase with a total", () => {
	const order = {...purchase, id: 7, totalAmount: 0.3, orderDate: ""};
	assert.deepEqual(orderOf(JSON.stringify(order)), order);
	assert.equal(orderOf(JSON.stringify(purchase)), null);
	assert.deepEqual(orderOf(`${JSON.stringify(order)}\n这是 10:03 的订单 7，没有新下单`), order);
	assert.equal(orderOf("no JSON"), null);
});

test("a bill adds up in cents", () => {
	const {lines, sum} = billOf(purchase, stock, () => 7);
	assert.deepEqual(lines, [{name: "耳机", price: 0.1, quantity: 3, amount: 0.3, left: 7}]);
	assert.equal(sum, 0.3);
});

test("a price that is unknown leaves the sum open", () =>
	assert.equal(
		billOf({customerName: "A", items: [...items, {productId: 9, quantity: 1}]}, stock, () => 0).sum,
		null,
	));

for (const [quantities, id, left] of [
	[[3], 2, 7],
	[[3, 7], 2, 0],
	[[3, 8], 2, "库存不足，可用 10"],
	[[3], 9, "–"],
]) {
	test(`after buying ${quantities} of 10, product ${id} is left: ${left}`, () => {
		const wanted = quantities.map(quantity => ({productId: 2, quantity}));
		assert.equal(leftAfter({customerName: "A", items: wanted}, stock, id), left);
	});
}
