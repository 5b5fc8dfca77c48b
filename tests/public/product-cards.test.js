import assert from "node:assert/strict";
import {test} from "node:test";
import {namedIn, productsOf} from "../../public/product-cards.js";

const WATCH = {id: 1, name: "Watch", price: 1299, description: "runs"};
const MUG = {id: 2, name: "Mug", price: 9, description: ""};
/** @param {unknown} value */
const found = value =>
	productsOf({server: "s", tool: "t", result: JSON.stringify(value)}).map(({name}) => name);

test("what has an id, a name and a price, and nothing that products do not have, is a product", () => {
	assert.deepEqual(found([WATCH, MUG]), ["Watch", "Mug"]);
	assert.deepEqual(found({result: [{productId: "a", quantity: 3, product: WATCH}]}), ["Watch"]);
	assert.deepEqual(found({...WATCH, image: "shop://products/1/image"}), ["Watch"]);
	for (const odd of [
		[{...WATCH, customerName: "A"}, MUG],
		[WATCH, {...MUG, departure: "10:00"}],
		[WATCH, {...MUG, name: " "}],
		[{...WATCH, price: "1299"}],
		[{...WATCH, id: undefined}],
		[{...WATCH, name: {toString: 1}}],
		[{id: 1, customerName: "A", items: [], totalAmount: 3}],
		[{key: "1", label: "Watch", amount: 3}],
		[[WATCH]],
		"Watch",
		null,
		[],
	])
		assert.deepEqual(found(odd), []);
	assert.deepEqual(productsOf({server: "s", tool: "t"}), []);
	assert.deepEqual(
		productsOf({server: "s", tool: "t", result: `${JSON.stringify([MUG])}\n40 more`}).length,
		1,
	);
});

test("an answer shows what it names, in its order; all of a few where it names none", () => {
	const goods = ["Tea", "Tea Pot", "Mug", "Cup", "Pan"];
	const list = goods.map((name, id) => ({server: "s", id, name, price: 1, description: "", image: ""}));
	/** @param {string} text @param {number} [count] */
	const named = (text, count) => namedIn(list.slice(0, count), text).map(({name}) => name);
	assert.deepEqual(named("A mug or a TEA POT"), ["Mug", "Tea Pot"]);
	assert.deepEqual(named("Tea, then a tea pot"), ["Tea", "Tea Pot"]);
	assert.deepEqual(named("three orders"), []);
	assert.deepEqual(named("both are in stock", 2), ["Tea", "Tea Pot"]);
	const twice = namedIn([list[0], {...list[0], quantity: 3}], "tea");
	assert.deepEqual([twice.length, twice[0].quantity], [1, 3]);
});
