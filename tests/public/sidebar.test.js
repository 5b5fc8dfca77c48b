import assert from "node:assert/strict";
import {test} from "node:test";
import {searchIn} from "../../public/search.js";
import {groupOf} from "../../public/sidebar.js";
import {assistant, conversationOf, tool, user} from "./support.js";

const NOW = new Date(2026, 2, 30, 0, 30).getTime(); // after a night in which some clocks change
for (const [at, group] of [
	[new Date(2026, 2, 30, 0, 1), "today"],
	[new Date(2026, 2, 31), "today"],
	[new Date(2026, 2, 29, 23, 59), "yesterday"],
	[new Date(2026, 2, 29, 0, 0), "yesterday"],
	[new Date(2026, 2, 28, 23, 59), "lastWeek"],
	[new Date(2026, 2, 23), "lastWeek"],
	[new Date(2026, 2, 22, 23), "lastMonth"],
	[new Date(2025, 2, 30), "earlier"],
	[0, "earlier"],
]) {
	test(`${at} is of ${group}`, () => assert.equal(groupOf({at: Number(at)}, NOW), group));
}

test("what is pinned is a group of its own", () =>
	assert.equal(groupOf({at: 0, pinned: true}, NOW), "pinned"));

const [first, second] = [
	{
		...conversationOf([user("降噪 耳机"), assistant("", "x"), tool("x"), assistant("The Price is (899)")]),
		title: "耳机",
	},
	{...conversationOf([user("你好")]), title: "问候"},
];
for (const [wanted, found] of [
	["price", ["The ", "Price", " is (899)"]],
	["(899", ["The Price is ", "(899", ")"]],
	["降噪  耳机", ["", "降噪 耳机", ""]],
	["899 降噪", ["The Price is (", "899", ")"]],
	["…", ["", "…", ""]],
	["问候", undefined],
	[".*", null],
	["price nothing", null],
]) {
	test(`a search for ${wanted} shows ${found}`, () => {
		const [hit, ...more] = searchIn([first, second], wanted);
		assert.deepEqual([hit ? hit.found : null, more], [found, []]);
	});
}
