import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {test} from "node:test";
import vm from "node:vm";

const file = new URL("../../public/first-paint.js", import.meta.url);
const script = readFileSync(file, "utf8").replace("import(", "load(");

/** @param {string[]} languages of the browser @param {string} [lang] that was chosen here */
function languageFor(languages, lang) {
	const documentElement = {style: {}, lang: "", classList: new Set()};
	const localStorage = {settings: JSON.stringify({lang})};
	const loaded = [];
	const load = words => loaded.push(words);
	vm.runInNewContext(script, {
		navigator: {languages},
		document: {documentElement, querySelectorAll: () => []},
		localStorage,
		load,
		window: {},
	});
	return [documentElement.lang, ...loaded];
}

for (const [languages, lang, spoken, file] of [
	[["zh-CN"], undefined, "zh-CN", "./static/zh.json"],
	[["zh"], undefined, "zh-CN", "./static/zh.json"],
	[["zh-Hans-HK"], undefined, "zh-CN", "./static/zh.json"],
	[["zh-TW"], undefined, "zh-TW", "./static/zh-TW.json"],
	[["zh-HK"], undefined, "zh-TW", "./static/zh-TW.json"],
	[["zh-Hant"], undefined, "zh-TW", "./static/zh-TW.json"],
	[["fr-FR", "zh-Hant-MO", "en"], undefined, "zh-TW", "./static/zh-TW.json"],
	[["en-GB", "zh-CN"], undefined, "en", "./static/en.json"],
	[["fr"], undefined, "en", "./static/en.json"],
	[["zh-CN"], "zh-TW", "zh-TW", "./static/zh-TW.json"],
	[["zh-CN"], "klingon", "zh-CN", "./static/zh.json"],
]) {
	test(`a browser of ${languages}, told ${lang}, shows ${spoken}`, () =>
		assert.deepEqual(languageFor(languages, lang), [spoken, file]));
}
