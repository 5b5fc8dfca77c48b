import assert from "node:assert/strict";
import {test} from "node:test";
import {orderOf, purchaseOf} from "../../public/purchase.js";

const items = [{productId: 2, quantity: 3}];
const purchase = {customerName: "客户A", items};

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
