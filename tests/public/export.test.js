import assert from "node:assert/strict";
import {test} from "node:test";
import {titleOf} from "../../public/conversations.js";
import {asMarkdown} from "../../public/files.js";
import {assistant, conversationOf, tool, user} from "./support.js";

test("a conversation reads as Markdown, with its calls and without the messages to the model", () => {
	const calls = {x: {server: "shop", tool: "get", args: {a: 1}, result: "[]"}};
	const entries = [user("一"), assistant("", "x"), tool("x"), assistant("答")];
	const text = asMarkdown({...conversationOf(entries, calls), title: "题"});
	const call = '**shop · get**\n\n````json\n{"a":1}\n````\n\n````json\n[]\n````';
	assert.equal(text, `# 题\n\n## 你\n\n一\n\n${call}\n\n## 助手\n\n答\n`);
});

test("a result of however many parts is fenced", () => {
	const calls = {x: {server: "s", tool: "t", args: {}, result: "\x60 ".repeat(500_000)}};
	assert.ok(asMarkdown(conversationOf([assistant("", "x")], calls)).length > 1e6);
});

test("a conversation without a title is a new one", () => assert.equal(titleOf(conversationOf()), "新对话"));
