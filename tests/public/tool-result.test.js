import assert from "node:assert/strict";
import {test} from "node:test";
import {
	cellText,
	flattenProducts,
	parseJson,
	productName,
	rowsOf,
	tableOf,
} from "../../public/tool-result.js";

for (const [text, rows] of [
	['[{"id": 1}]', [{id: 1}]],
	['{"result": [{"id": 1}]}', [{id: 1}]],
	["[]", []],
	['{"result": [{"id": 1}], "more": true}', null],
	['[{"id": 1}]\n还有 3 行', [{id: 1}]],
	["[1, 2]", null],
	['{"id": 1}', null],
	["no JSON", null],
]) {
	test(`${text} has ${rows ? `${rows.length} rows` : "no rows"}`, () => assert.deepEqual(rowsOf(text), rows));
}

for (const [key, value, text] of [
	["price", 899, "¥899.00"],
	["quantity", 12345, "12,345"],
	["productId", 12345, "12345"],
	["name", "手表", "手表"],
	["name", "", ""],
	["name", null, ""],
	["name", undefined, ""],
	["orderDate", "no date", "no date"],
	["more", {a: ""}, '{"a":""}'],
	["items", [{productId: 99, quantity: 2}], "#99 × 2"],
	["items", [], ""],
]) {
	test(`${key} ${JSON.stringify(value)} is shown as "${text}"`, () =>
		assert.equal(cellText(key, value), text));
}

test("what is no JSON is undefined", () => assert.equal(parseJson("{"), undefined));

test("a product within a row gives its fields and is known by its name from then on", () => {
	const product = {id: 2, name: "耳机", price: 899};
	const rows = flattenProducts([{productId: 2, quantity: 5, product}]);
	assert.deepEqual(rows, [{productId: 2, name: "耳机", price: 899, quantity: 5}]);
	assert.equal(productName(2), "耳机");
	assert.equal(cellText("items", [{productId: 2, quantity: 3}]), "耳机 × 3");
});

test("known columns come first, numbers are marked, and what has no name keeps its key", () => {
	const {columns, cells} = tableOf([
		{colour: "red", price: 1},
		{price: 2, id: 7},
	]);
	assert.deepEqual(columns, [
		{key: "id", label: "编号", isNumeric: true},
		{key: "price", label: "单价", isNumeric: true},
		{key: "colour", label: "colour", isNumeric: false},
	]);
	assert.deepEqual(cells, [
		["", "¥1.00", "red"],
		["7", "¥2.00", ""],
	]);
});

test("a long list is cut, and how many rows are left out is said", () => {
	const {cells, omitted} = tableOf(Array.from({length: 130}, (_, id) => ({id})));
	assert.deepEqual([cells.length, omitted], [100, 30]);
});
