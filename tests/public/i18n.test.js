import assert from "node:assert/strict";
import {afterEach, test} from "node:test";
import {
	failureText,
	formatMoney,
	formatNumber,
	formatTime,
	setLanguage,
	setShopZone,
	shopDays,
	shopTime,
	t,
	words,
} from "../../public/i18n.js";

afterEach(() => setLanguage("zh-CN"));

for (const [language, key, params, text] of [
	["zh-CN", "rest", {n: 3}, "还有 3 行"],
	["zh-TW", "rest", {n: 3}, "還有 3 列"],
	["en", "rest", {n: 3}, "3 more rows"],
	["en", "rest", {n: 1}, "1 more row"],
	["en", "nServers", {n: 0, m: 1}, "0 of 1 server"],
	["en", "csvSaved", {n: "1", m: "1,000"}, "Saved 1 order in 1,000 rows"],
	["en", "serverDown", {name: "shop", error: null}, "shop is down: "],
	["en", "no such key", {}, "no such key"],
]) {
	test(`"${key}" in ${language} is "${text}"`, async () => {
		await setLanguage(language);
		assert.equal(t(key, params), text);
	});
}

for (const [format, language, value, text] of [
	[formatMoney, "zh-CN", 1798, "¥1798.00"],
	[formatMoney, "zh-TW", 1798, "¥1798.00"],
	[formatMoney, "en", 1798.5, "¥1798.50"],
	[formatMoney, "en", 12345, "¥12,345.00"],
	[formatNumber, "zh-CN", 1234, "1234"],
	[formatNumber, "en", 0.12345678, "0.123457"],
	[formatTime, "en", "not a time", "not a time"],
]) {
	test(`${format.name} writes ${value} as ${text} in ${language}`, async () => {
		await setLanguage(language);
		assert.equal(format(value), text);
	});
}

test("a time is written in the reader's zone and language", async () => {
	await setLanguage("en");
	assert.match(formatTime("2026-11-21T08:00:00+00:00"), /^Nov \d+, \d+:00 (AM|PM)$/);
});

const NIGHT = "2026-11-26T17:30:00+00:00"; // 01:30 on the 27th in Shanghai
for (const [zone, time, days] of [
	["Asia/Shanghai", "11月26日 17:30 (商店是11月27日)", {zone: "Asia/Shanghai", isElsewhere: true}],
	["Europe/London", "11月26日 17:30", {zone: "Europe/London", isElsewhere: true}],
	["Not/AZone", "11月26日 17:30", {zone: "UTC", isElsewhere: false}],
	[undefined, "11月26日 17:30", {zone: "UTC", isElsewhere: false}],
]) {
	test(`at ${time}, a shop in ${zone} has its own day`, () => {
		setShopZone(zone);
		assert.deepEqual([formatTime(NIGHT), shopDays()], [time, days]);
		setShopZone();
	});
}

test("a time for a spreadsheet is the shop's, as in its own files", () => {
	setShopZone("Asia/Shanghai");
	assert.equal(shopTime(NIGHT), "2026-11-27 01:30:00");
	setShopZone();
});

const refused = {code: "connect_refused", params: {address: "http://x"}};
for (const [failure, text] of [
	[refused, "http://x cannot be reached. Is the server running?"],
	[{code: "http_status", params: {status: 500}}, "HTTP 500"],
	[{code: "price_changed", params: {now: 12345, expected: 899}}, /now ¥12,345\.00, not the ¥899\.00 /],
	[{code: "http_status", params: {status: 404}}, /^HTTP 404: there is no MCP service/],
	[{code: "key_reused", params: {}}, /used for another order$/],
	[{code: "key_reused", params: {of: "change"}}, /used for another change$/],
	[
		{code: "server_down", params: {server: "s", reason: refused}},
		/^The server s is .*: http:\/\/x cannot be reached/,
	],
	[{code: "server_down", params: {server: "s"}, detail: "服务器 s 不可用"}, "服务器 s 不可用"],
	[{code: "rate_limited", params: {limit: 9, seconds: 45.2}}, /Try again in 46 sec$/],
	[{code: "rate_limited", params: {limit: 9, seconds: 7200}}, /Try again in 2 hr$/],
	[{code: "rate_limited", params: {limit: 9, seconds: 90}}, /Try again in 1 min 30 sec$/],
	[{code: "rate_limited", params: {limit: 9, seconds: 86_341}}, /Try again in 24 hr$/],
	[{code: "their_own", params: {}, detail: "坏了"}, "坏了"],
	[{code: null, params: {}, detail: "坏了"}, "坏了"],
	[{detail: "坏了"}, "坏了"],
	[{code: "their_own"}, "their_own"],
	[{}, ""],
]) {
	test(`${JSON.stringify(failure)} is said as ${text}`, async () => {
		await setLanguage("en");
		const said = failureText(failure);
		if (text instanceof RegExp) assert.match(said, text);
		else assert.equal(said, text);
	});
}

test("all languages have the same keys, and each sentence the same parameters", async () => {
	const placeholders = text => (typeof text === "string" ? (text.match(/\{\w+\}/g) ?? []).sort() : []);
	const shape = table => Object.entries(table).map(([key, text]) => `${key} ${placeholders(text)}`);
	const zh = words();
	for (const language of ["en", "zh-TW"]) {
		await setLanguage(language);
		assert.deepEqual(shape(words()).sort(), shape(zh).sort());
	}
});
