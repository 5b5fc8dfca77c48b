import assert from "node:assert/strict";
import {test} from "node:test";
import {callState, entriesBefore, openCalls, standing} from "../../public/call-states.js";
import {conversationFrom, conversationsFrom, importFiles} from "../../public/imported.js";
import {assistant, conversationOf, tool, user} from "./support.js";

const copy = value => JSON.parse(JSON.stringify(value));
const read = given => conversationFrom(copy(given), true);
const bought = {
	server: "shop",
	tool: "create_purchase",
	result: "{}",
	honoursKey: true,
	fingerprint: "f",
	ms: 3,
};
const asking = (call, approvals = {}) =>
	conversationOf([user("a"), assistant("", "x")], {x: call}, approvals);

test("what was exported comes back", () => {
	const {honoursKey, fingerprint, ...kept} = bought;
	const files = [{name: "a.txt", size: 1, text: "x"}];
	const entries = [
		{...user("一"), files},
		assistant("", "x"),
		tool("x"),
		{...assistant("答"), html: "<p>答</p>"},
	];
	const all = {
		...conversationOf(entries, {x: bought}),
		title: "题",
		pinned: true,
		usage: {input: 1, output: 2},
	};
	const back = read(all);
	for (const {message} of back.entries)
		if (!message.tool_calls) assert.equal(typeof message.content, "string");
	assert.deepEqual(back.calls.x, {...kept, args: {}, raw: "{}", imported: true});
	const {id, title, pinned, usage} = back;
	assert.deepEqual({id, title, pinned, usage}, {id: "1", title: "题", pinned: true, usage: all.usage});
	assert.deepEqual([back.entries[0].files, back.entries[3].html], [files, "<p>答</p>"]);
	assert.equal(standing(back), "whole");
});

for (const [name, given, state] of [
	["waits", asking({...bought, result: undefined, waiting: true}), "halted"],
	["was refused", asking({waiting: true}, {x: false}), "refused"],
	["was allowed", asking({waiting: true, at: 1}, {x: true}), "unknown"],
	["runs", asking({auto: true, at: Date.now()}), "unknown"],
	["asks", asking({questions: [{id: "q", answer: {action: "accept"}}]}), "halted"],
]) {
	test(`a call that ${name} in a file is over here, and cannot be run`, () => {
		const back = read(given);
		assert.deepEqual([openCalls(back), callState(back, "x")], [[], state]);
		assert.equal(Object.values(back.approvals).includes(true), false);
		assert.equal(entriesBefore(back, "x"), null);
	});
}

test("a call shows the arguments that are in the messages, whatever the file says beside them", () => {
	const {raw, args} = read(asking({raw: '{"n":1}', args: {n: 1}})).calls.x;
	assert.deepEqual([raw, args], ["{}", {}]);
});

test("nothing that goes out by itself is taken over", () => {
	const more = {
		queued: [{text: "买", files: []}],
		model: {provider: "p", name: "m"},
		removed: true,
		version: "v",
	};
	const back = read({...conversationOf([user("一")]), ...more});
	assert.deepEqual(
		Object.keys(more).filter(name => name in back),
		[],
	);
});

test("HTML is left out where the browser cannot clean it, and pictures are pictures", () => {
	const files = [{name: "a", size: 1, url: "https://example.com/x.png"}];
	const given = conversationOf([
		{...user("一"), files},
		{...assistant("答"), html: "<img src=x onerror=alert(1)>"},
	]);
	const [question, answer] = conversationFrom(copy(given), false).entries;
	assert.deepEqual([question.files, answer.html], [[{name: "a", size: 1}], undefined]);
});

for (const [name, text] of [
	["no JSON", "{"],
	["a number", "1"],
	["null", "null"],
	["a list", "[[]]"],
	["another program's", '{"mapping": {}, "title": "ChatGPT"}'],
	["without entries", '{"entries": []}'],
	["with a system message", JSON.stringify(conversationOf([{message: {role: "system", content: "x"}}]))],
	["with content that is no text", JSON.stringify(conversationOf([{message: {role: "user", content: [1]}}]))],
	["with a result of no call", JSON.stringify(conversationOf([tool("x")]))],
	["with a call named like a method", JSON.stringify(conversationOf([assistant("", "constructor")]))],
	["with a call named __proto__", JSON.stringify(conversationOf([assistant("", "__proto__")]))],
	[
		"with a title that cannot be text",
		'{"title": {"toString": 1}, "entries": [{"message": {"role": "user"}}]}',
	],
]) {
	test(`a file that is ${name} is refused by its name`, () => {
		const {read: taken, problems} = conversationsFrom("f.json", text);
		assert.deepEqual([taken, problems.length], [[], 1]);
		assert.match(problems[0], /^f\.json/);
	});
}

test("one that is broken among others is named, and the others come", async () => {
	const [one, other] = [conversationOf([user("一")]), {...conversationOf([user("二")]), id: "2"}];
	const text = JSON.stringify({conversations: [one, {title: "坏", entries: [1]}, other]});
	const saved = [];
	const conversations = {byId: new Map([["2", other]]), save: one => saved.push(one)};
	const {added, said} = await importFiles([new File([text], "f.json")], conversations);
	assert.deepEqual(
		[added, saved].map(list => list.map(({id}) => id)),
		[["1"], ["1"]],
	);
	assert.match(said.join("\n"), /f\.json.*坏/);
});

test("another conversation of the same id stays, and the new one gets its own", async () => {
	const known = {...conversationOf([user("旧")]), id: "1"};
	const conversations = {byId: new Map([["1", known]]), save: () => {}};
	const text = JSON.stringify(conversationOf([user("新")]));
	const {added} = await importFiles([new File([text], "f.json")], conversations);
	assert.notEqual(added[0].id, "1");
});
