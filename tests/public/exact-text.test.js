import assert from "node:assert/strict";
import {test} from "node:test";
import {beginningOf, layOut, plainValue, visible} from "../../public/exact-text.js";

const laidOut = json => layOut(json, 1e9).parts.join("");

for (const [text, shown] of [
	["手表 × 1 — ok", "手表 × 1 — ok"],
	["a\u202Eb", "a⟨U+202E⟩b"],
	["a\u2066b\u2069", "a⟨U+2066⟩b⟨U+2069⟩"],
	["a\u200Bb\uFEFF", "a⟨U+200B⟩b⟨U+FEFF⟩"],
	["\u{E0041}\u{E007F}", "⟨U+E0041⟩⟨U+E007F⟩"],
	["\0\u0085\u2028\u2029\x7F", "⟨U+0000⟩⟨U+0085⟩⟨U+2028⟩⟨U+2029⟩⟨U+007F⟩"],
	["\uFFFE\u{10FFFF}\uFDD0\uE000\uD800", "⟨U+FFFE⟩⟨U+10FFFF⟩⟨U+FDD0⟩⟨U+E000⟩⟨U+D800⟩"],
	["a\u00A0b\u3164c\u2800d\u115F", "a⟨U+00A0⟩b⟨U+3164⟩c⟨U+2800⟩d⟨U+115F⟩"],
	[`ls${" ".repeat(500)}rm`, "ls⟨U+0020 × 500⟩rm"],
	[`e${"\u0301".repeat(6)}`, `e${"\u0301".repeat(4)}⟨U+0301⟩⟨U+0301⟩`],
	["❤\uFE0F 👩\u200D🚀", "❤\uFE0F 👩\u200D🚀"],
	["a\uFE0Fb\u200Dc", "a⟨U+FE0F⟩b⟨U+200D⟩c"],
	["一\n二", "一\n二"],
]) {
	test(`${JSON.stringify(text)} is seen as ${shown}`, () => assert.equal(visible(text), shown));
}

for (const [text, shown] of [
	["短", "短"],
	["a\u00a0b\tc\r\nd", "a b c\nd"],
	["a\u202Eb\u{E0041}", "a⟨U+202E⟩b⟨U+E0041⟩"],
	["x".repeat(1e6), `${"x".repeat(20)}…`],
	[`${"x".repeat(19)}🛒🛒`, `${"x".repeat(19)}…`],
]) {
	test(`${JSON.stringify(text.slice(0, 40))} begins with ${shown}`, () =>
		assert.equal(beginningOf(text, 20), shown));
}

for (const [json, shown] of [
	['{"n":9007199254740993}', '{\n  "n": 9007199254740993\n}'],
	['{"a": 1.0, "a": 1e400}', '{\n  "a": 1.0,\n  "a": 1e400\n}'],
	['{"\\u0061": "\\u202e\\u4e2d"}', '{\n  "a": "⟨U+202E⟩中"\n}'],
	['["x\\n\\"y\\": 1", "\\\\n"]', '[\n  "x\\n\n  │ \\"y\\": 1",\n  "\\\\n"\n]'],
	['["\\ud800\\u0000\\t"]', '[\n  "⟨U+D800⟩⟨U+0000⟩\\t"\n]'],
	["{}", "{}"],
	["[[],{}]", "[\n  [],\n  {}\n]"],
	["", ""],
	["no\u202E  JSON", "no⟨U+202E⟩  JSON"],
	['{"a": "\\x"', '{"a": "\\x"'],
	["NaN", "NaN"],
]) {
	test(`${json} is laid out`, () => assert.equal(laidOut(json), shown));
}

test("what is left out is counted", () => {
	assert.deepEqual(layOut(`["${"x".repeat(100)}"]`, 51), {
		parts: ["[", "\n  ", `"${"x".repeat(50)}…`],
		omitted: 53,
	});
	const {parts, omitted} = layOut(JSON.stringify(Array(1000).fill(7)), 800);
	assert.ok(parts.filter(part => part === "7").length < 12);
	assert.ok(omitted > 1900);
});

test("what is deep or long is laid out, too", () => {
	assert.equal(layOut("[".repeat(1e5) + "]".repeat(1e5), 1e9).omitted, 0);
	assert.equal(layOut(`"${"a\\n".repeat(5e6)}"`, 10).omitted, 15e6 + 2 - 10);
});

for (const [json, value] of [
	['{"a": [1, "\\u4e2d"]}', {a: [1, "中"]}],
	['{"a": 1, "a": 1}', undefined],
	['{"a": 9007199254740993}', undefined],
	['{"a": 1.0}', undefined],
	['{"a": 1e2}', undefined],
	['{"a": 1} x', undefined],
	["[".repeat(1e5) + "]".repeat(1e5), undefined],
]) {
	test(`${json.slice(0, 30)} ${value ? "says" : "does not say"} just what JavaScript reads`, () =>
		assert.deepEqual(plainValue(json), value));
}
