import assert from "node:assert/strict";
import {test} from "node:test";
import {isListed, listedTools, listTool, preferences, setPreference} from "../../public/preferences.js";

const [a, b] = ["a", "b"].map(tool => ({server: "s", tool, fingerprint: "f1"}));
const newer = {...a, fingerprint: "f2"};

test("what is chosen leaves what another tab has chosen since", t => {
	globalThis.localStorage = {settings: JSON.stringify({theme: "light", off: [a]})};
	t.after(() => delete globalThis.localStorage);
	Object.assign(preferences, {theme: "light", off: []});
	localStorage.settings = JSON.stringify({theme: "dark", off: [b]});
	setPreference("current", "1");
	assert.deepEqual(JSON.parse(localStorage.settings).theme, "dark");
	assert.deepEqual([preferences.theme, preferences.off, preferences.current], ["light", [b], "1"]);
	listTool("off", b, false);
});

test("a tool is listed once, as it was last, and can be taken from the list", () => {
	for (const tool of [a, b, newer]) listTool("always", {...tool, args: {}}, true);
	assert.deepEqual(listedTools("always"), [b, newer]);
	listTool("always", b, false);
	assert.deepEqual([listedTools("always"), listedTools("askFirst")], [[newer], []]);
});

test("a tool is allowed by server, name and fingerprint, and asks first by server and name", () => {
	assert.deepEqual([isListed([a], a), isListed([a], newer), isListed([a], b)], [true, false, false]);
	assert.equal(isListed([{server: "s", tool: "a"}], newer), true);
});

for (const broken of ["x", null, ["s/a"], [null], [{server: "s"}], {server: 1, tool: "a"}]) {
	test(`a list that is ${JSON.stringify(broken)} in the storage is an empty list`, () => {
		Object.assign(preferences, {askFirst: broken});
		assert.deepEqual(listedTools("askFirst"), []);
	});
}
