import assert from "node:assert/strict";
import {test} from "node:test";
import {billOf, leftAfter, orderOf, purchaseOf} from "../../public/purchase.js";

const items = [{productId: 2, quantity: 3}];
const purchase = {customerName: "客户A", items};
const stock = {2: {name: "耳机", price: 0.1, quantity: 10}};

for (const [args, expected] of [
	[purchase, purchase],
	[{input_data: purchase}, purchase],
	[{customerName: "客户A", items: []}, null],
	[{customerName: "客户A", items: "x"}, null],
	[{customerName: "客户A", items: [{productId: "2", quantity: 3}]}, null],
	[{items}, null],
	["text", null],
	[null, null],
	[undefined, null],
]) {
	test(`${JSON.stringify(args)} ${expected ? "is a" : "is no"} purchase`, () =>
		assert.deepEqual(purchaseOf(args), expected));
}

test("a result is an order if it is a purchase with a total", () => {
	const order = {...purchase, id: 7, totalAmount: 0.3, orderDate: ""};
	assert.deepEqual(orderOf(JSON.stringify(order)), order);
	assert.equal(orderOf(JSON.stringify(purchase)), null);
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
