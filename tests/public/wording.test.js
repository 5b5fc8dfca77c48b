import assert from "node:assert/strict";
import {afterEach, test} from "node:test";
import {setLanguage} from "../../public/i18n.js";
import {worded} from "../../public/wording.js";

afterEach(() => setLanguage("zh-CN"));

const SENT = "as it was sent";
const line = {code: "line", params: {quantity: 2, name: "Tea"}};
const buy = {code: "buy", params: {lines: [line, line], yuan: 12}};
const why = {code: "why", params: {reason: "a”, and “b"}};

for (const [wording, language, text] of [
	[buy, "en", "Buy 2 × Tea, 2 × Tea for ¥12.00 in total?"],
	[buy, "zh-CN", "确认购买 2 × Tea、2 × Tea，合计 ¥12.00？"],
	[buy, "zh-TW", "確認購買 2 × Tea、2 × Tea，合計 ¥12.00？"],
	[why, "en", '; reason: “a", and "b”'],
	[{code: "new_price", params: {newYuan: 0.5}}, "en", "price ¥0.50"],
	[{code: "line", params: {quantity: 1, name: ""}}, "en", "1 × "],
	// What is not known whole stays as it was sent.
	[null, "en", SENT],
	["buy", "en", SENT],
	[{code: "errorTitle", params: {}}, "en", SENT],
	[{code: "constructor", params: {}}, "en", SENT],
	[{code: "buy"}, "en", SENT],
	[{code: "buy", params: {lines: [line]}}, "en", SENT],
	[{code: "buy", params: {lines: [{code: "x", params: {}}], yuan: 1}}, "en", SENT],
	[{code: "line", params: {quantity: true, name: "Tea"}}, "en", SENT],
	[{code: "line", params: Object.create({quantity: 1, name: "Tea"})}, "en", SENT],
]) {
	test(`${JSON.stringify(wording)} in ${language} is "${text}"`, async () => {
		await setLanguage(language);
		assert.equal(worded(wording, SENT), text);
	});
}

test("a wording within itself has an end", () => {
	const endless = {code: "everybodys", params: {}};
	const around = {code: "analyse", params: {whose: endless, group: endless, data: "[]"}};
	for (let n = 0; n < 9; n++) around.params = {...around.params, whose: structuredClone(around)};
	assert.equal(worded(around, SENT), SENT);
});
