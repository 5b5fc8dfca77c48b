import assert from "node:assert/strict";
import {test} from "node:test";
import {listedTools, listTool, preferences} from "../../public/preferences.js";

test("a tool is listed once, and can be taken from the list", () => {
	for (const name of ["a", "b", "a"]) listTool("always", name, true);
	assert.deepEqual(listedTools("always"), ["b", "a"]);
	listTool("always", "b", false);
	assert.deepEqual([listedTools("always"), listedTools("askFirst")], [["a"], []]);
});

test("a list that is broken in the storage is still a list", () => {
	Object.assign(preferences, {askFirst: "x"});
	assert.deepEqual(listedTools("askFirst"), ["x"]);
});
