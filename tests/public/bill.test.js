import assert from "node:assert/strict";
import {test} from "node:test";
import {status} from "../../public/backend.js";
import {billOf, problemsOf, restOf} from "../../public/bill.js";

const stock = {2: {name: "耳机", price: 0.1, quantity: 10}, 3: {name: "手表", price: 1, quantity: 0}};
const read = {stock, isWhole: true};
const of = (...items) => ({
	customerName: "A",
	items: items.map(([productId, quantity]) => ({productId, quantity})),
});
const ready = {online: true, servers: [{name: "shop", status: "ready"}]};

test("a bill adds up in cents", () => {
	const {lines, sum} = billOf(of([2, 3]), read);
	const [{name, amount, left, isMissing}] = lines;
	assert.deepEqual([name, amount, left, isMissing, sum], ["耳机", 0.3, 7, false, 0.3]);
});

test("a price that is unknown leaves the sum open", () =>
	assert.equal(billOf(of([2, 3], [9, 1]), {stock}).sum, null));

test("what others take that were confirmed is not there any more", () =>
	assert.equal(billOf(of([2, 3]), read, [of([2, 8])]).lines[0].available, 2));

for (const [items, rest, problems] of [
	[[[2, 10]], null, []],
	[[[2, 11]], [[2, 10]], ["耳机 只剩 10 件，不够。"]],
	[
		[
			[2, 6],
			[2, 6],
		],
		[[2, 10]],
		["耳机 只剩 10 件，不够。"],
	],
	[
		[
			[2, 2],
			[2, 2],
			[3, 1],
		],
		[[2, 4]],
		["手表 已售罄。"],
	],
	[[[3, 1]], null, ["手表 已售罄。"]],
	[[[9, 1]], null, ["没有编号为 9 的商品。"]],
	[
		[
			[2, 1],
			[9, 1],
		],
		[[2, 1]],
		["没有编号为 9 的商品。"],
	],
]) {
	test(`of ${JSON.stringify(items)} there is ${JSON.stringify(rest)}`, () => {
		Object.assign(status, ready);
		const purchase = of(...items);
		const {lines} = billOf(purchase, read);
		assert.deepEqual(restOf(lines), rest && of(...rest).items);
		assert.deepEqual(problemsOf("shop", purchase, read, lines), problems);
	});
}

for (const [change, failure] of [
	[{online: false}],
	[{servers: [{name: "shop", status: "down"}]}],
	[{servers: []}],
	[{}, "连接不上"],
]) {
	test(`nothing can be bought from a shop that is gone: ${JSON.stringify(change)} ${failure}`, () => {
		Object.assign(status, ready, change);
		const [first] = problemsOf("shop", of([2, 1]), {...read, failure}, []);
		assert.equal(first, "商店连不上，现在下单不会成功。");
	});
}

test("a product that a list of some products lacks may be there all the same", () => {
	Object.assign(status, ready);
	const {lines} = billOf(of([9, 1]), {stock});
	assert.deepEqual(problemsOf("shop", of([9, 1]), {stock}, lines), []);
});

test("a purchase without a customer cannot be made", () => {
	Object.assign(status, ready);
	const purchase = {...of([2, 1]), customerName: " "};
	assert.deepEqual(problemsOf("shop", purchase, read, billOf(purchase, read).lines), ["还没有写客户名称。"]);
});
