import assert from "node:assert/strict";
import {test} from "node:test";
import {csvOf, orderTable, readOrders} from "../../public/files.js";
import {Refresher} from "../../public/panel.js";
import {purchaseBehind} from "../../public/purchase.js";
import {sortRows} from "../../public/shop-lists.js";
import {readPages} from "../../public/tool-client.js";
import {conversationOf} from "./support.js";

const row = (productId, name, price, quantity) => ({productId, quantity, product: {name, price}});
const STOCK = [row(1, "手表", 5, 30), row(2, "耳机", 9, 0), row(3, "充电宝", 7, 4)];

for (const [sort, ids] of [
	["", [1, 2, 3]],
	["low", [2, 3, 1]],
	["cheap", [1, 3, 2]],
	["dear", [2, 3, 1]],
	["name", [3, 2, 1]], // by their sound: chong, er, shou
	["constructor", [1, 2, 3]],
]) {
	test(`products sorted by "${sort}" are ${ids}`, () =>
		assert.deepEqual(
			sortRows(STOCK, sort).map(({productId}) => productId),
			ids,
		));
}

/** Reads of so many rows, of which `most` at most come at once. */
const pages = (n, most = 500) => {
	const asked = [];
	const read = async (limit, offset) => {
		asked.push([limit, offset]);
		const rows = Array.from({length: Math.max(0, n - offset)}, (_, i) => ({id: offset + i})).slice(0, limit);
		return {rows: rows.slice(0, most), isCut: rows.length > most};
	};
	return {asked, read};
};

for (const [n, most, max, found, isWhole, calls] of [
	[0, 500, 5000, 0, true, 1],
	[4, 500, 5000, 4, true, 1],
	[500, 500, 5000, 500, true, 2],
	[1234, 500, 5000, 1234, true, 3],
	[1234, 100, 5000, 1234, true, 13], // long rows are cut to what fits
	[6000, 500, 5000, 5000, false, 10],
	[6000, 500, 7, 7, false, 1],
]) {
	test(`of ${n} rows, ${most} at once and ${max} at most, ${found} are read in ${calls} calls`, async () => {
		const {read, asked} = pages(n, most);
		const {rows, isWhole: whole} = await readPages(read, max);
		assert.deepEqual([rows.length, whole, asked.length], [found, isWhole, calls]);
		assert.deepEqual(
			rows.map(({id}) => id),
			[...rows.keys()],
		);
	});
}

test("a server that knows no pages is asked once", async () => {
	let asked = 0;
	const read = async () => ({rows: Array.from({length: 700 + asked++}, () => ({})), isCut: false});
	assert.equal((await readPages(read)).rows.length, 700);
	assert.equal(asked, 1);
	asked = 500_000; // more than a call takes arguments
	assert.equal((await readPages(read)).rows.length, 500_700);
});

const order = (id, items = [{productId: 90, quantity: 2}]) => ({
	...{id, customerName: `客户${id}`, items, totalAmount: 9.9, status: "placed"},
	orderDate: `2026-11-27T08:00:${String(id % 60).padStart(2, "0")}.000000+00:00`,
});

test("orders that come while all are read change neither what is read nor lose one", async () => {
	const shop = Array.from({length: 1200}, (_, i) => order(i + 1)).reverse();
	const untils = [];
	const pagesOf =
		({until}) =>
		async (limit, offset) => {
			untils.push(until);
			const rows = shop.slice(offset, offset + limit);
			shop.unshift(order(shop.length + 1)); // everything moves on by one
			return {rows, isCut: false};
		};
	const found = await readOrders(pagesOf);
	assert.deepEqual(
		found.map(({id}) => id),
		Array.from({length: 1200}, (_, i) => 1200 - i),
	);
	assert.equal(untils.at(-1), order(1200).orderDate);
});

test("a file of orders has a row for each line, and each sum once", () => {
	const lines = [
		{productId: 90, quantity: 2},
		{productId: 91, quantity: 1},
	];
	const [head, first, second] = orderTable([{...order(7, lines), status: "cancelled"}]);
	assert.equal(head.length, first.length);
	assert.deepEqual([first[0], ...first.slice(2)], [7, "客户7", "已取消", 90, "#90", 2, 9.9]);
	assert.match(first[1], /^2026-11-2\d \d\d:00:07$/);
	assert.deepEqual([second[0], ...second.slice(4)], [7, 91, "#91", 1, ""]);
});

for (const [value, text] of [
	["a", "a"],
	['a "b", c', '"a ""b"", c"'],
	["a\r\nb", '"a\r\nb"'],
	["=1+1", "'=1+1"],
	["+861", "'+861"],
	["-2", "'-2"],
	["@x", "'@x"],
	["\t=1", "'\t=1"],
	['=HYPERLINK("http://x")', `"'=HYPERLINK(""http://x"")"`],
	[-2, "-2"],
	[0.1, "0.1"],
	["", ""],
]) {
	test(`a cell of ${JSON.stringify(value)} is written as ${text}`, () =>
		assert.equal(csvOf([[value, 1]]), `\ufeff${text},1\r\n`));
}

test("what is asked for while the work is under way is done once more, after it", async () => {
	const ends = [];
	const refresher = new Refresher(() => new Promise(end => ends.push(end)));
	const all = refresher.run();
	for (let i = 0; i < 5; i += 1) assert.equal(refresher.run(), all);
	assert.equal(ends.length, 1);
	ends[0]();
	await Promise.resolve();
	assert.equal(ends.length, 2);
	ends[1]();
	await all;
	assert.equal(ends.length, 2);
});

test("what asks in quick succession asks once", async () => {
	const begun = [];
	const refresher = new Refresher(async () => void begun.push(1));
	await refresher.run();
	for (let i = 0; i < 50; i += 1) refresher.soon();
	assert.equal(begun.length, 1);
	while (begun.length < 2) await new Promise(setImmediate);
	await refresher.run();
	assert.equal(begun.length, 3);
});

test("a clock that is set back delays nothing", async t => {
	t.mock.timers.enable({apis: ["setTimeout"]});
	let today = 3_600_000;
	t.mock.method(Date, "now", () => today);
	const begun = [];
	const refresher = new Refresher(async () => void begun.push(1));
	await refresher.run();
	today = 0;
	refresher.soon();
	t.mock.timers.tick(3000);
	assert.equal(begun.length, 2);
});

const bought = (id, more) => ({
	...{isPurchase: true, server: "shop", result: JSON.stringify(order(id)), ...more},
});
const found = (calls, wanted = order(7), server = "shop") =>
	purchaseBehind([conversationOf(), conversationOf([], calls)], server, wanted)?.callId;

for (const [calls, id] of [
	[{a: bought(6), b: bought(7)}, "b"],
	[{a: bought(7, {replayed: true}), b: bought(7)}, "b"],
	[{a: bought(7, {replayed: true})}, "a"],
	[{a: bought(6)}, undefined],
	[{a: bought(7, {server: "other"})}, undefined],
	[{a: bought(7, {isPurchase: false})}, undefined],
	[{a: bought(7, {result: JSON.stringify({...order(7), orderDate: "2020-01-01"})})}, undefined],
	[{a: bought(7, {result: undefined})}, undefined],
]) {
	test(`of ${JSON.stringify(calls).length} characters of calls, order 7 was bought by ${id}`, () =>
		assert.equal(found(calls), id));
}
