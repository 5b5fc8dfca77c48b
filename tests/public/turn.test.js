import assert from "node:assert/strict";
import {test} from "node:test";
import {standing} from "../../public/call-states.js";
import {followTurn} from "../../public/turn.js";
import {assistant, conversationOf, RecordingView, tool, user} from "./support.js";

const LISTS = {
	always: [{server: "shop", tool: "buy", fingerprint: "f1"}],
	askFirst: [{server: "shop", tool: "look"}],
	off: [{server: "files"}, {server: "shop", tool: "sell"}],
};

/** Follow an answer that consists of these events; a function among them runs when its turn comes. */
async function follow(conversation, events, lists = LISTS) {
	const view = new RecordingView();
	const stopping = new AbortController();
	const saved = [];
	const asked = [];
	async function* stream(path, body) {
		asked.push({path, body});
		for (const step of events) {
			if (typeof step === "function") step(stopping);
			else yield {event: step[0], data: step[1]};
		}
	}
	const save = () => saved.push(conversation.entries.length);
	const end = await followTurn(conversation, view, save, stopping.signal, lists, stream);
	return {view, end, saved, ...asked[0]};
}

const message = (role, content) => ["message", {message: {role, content}}];
const buy = {id: "x", server: "shop", tool: "buy", fingerprint: "f1", args: {}, readOnly: false};

test("the request holds the history, open decisions, and what the user allowed", async () => {
	const entries = [user("a"), assistant("", "x", "y")];
	const [x, y] = [{total: 1798}, {total: 1}].map(confirmed => ({confirmed}));
	const model = {provider: "deepseek", name: "m"};
	const edits = {y: {n: 3}, old: {n: 1}};
	const conversation = {...conversationOf(entries, {x, y}, {x: true, old: false}), model, edits};
	const {path, body} = await follow(conversation, []);
	assert.equal(path, "api/chat/stream");
	assert.deepEqual(body, {
		messages: entries.map(entry => entry.message),
		approvals: {x: true, y: undefined},
		confirmed: {x: {total: 1798}},
		answers: {},
		edits: {y: {n: 3}},
		autoApprove: LISTS.always,
		askFirst: LISTS.askFirst,
		off: LISTS.off,
		model,
	});
});

test("media of this question's results go along", async () => {
	const [cat, sound] = [
		{mime_type: "image/png", data: "AAAA"},
		{mime_type: "audio/wav", data: "AAAA"},
	];
	const calls = {x: {media: [cat]}, y: {media: [cat, sound]}, z: {media: []}};
	const round = [user("b"), assistant("", "y", "z"), tool("y"), tool("z")];
	const entries = [user("a"), assistant("", "x"), tool("x"), ...round];
	const {body} = await follow(conversationOf(entries, calls), []);
	const sent = body.messages.map(({media}) => media);
	assert.deepEqual(sent, [undefined, undefined, undefined, undefined, undefined, [cat, sound], undefined]);
});

test("a question goes out with what is attached to it, of all pictures the newest", async () => {
	const picture = (name, length = 30) => ({
		name,
		size: 9,
		url: `data:image/png;base64,${"A".repeat(length)}`,
	});
	const asks = (...files) => ({...user("b"), files});
	const many = [..."1234567"].map(name => picture(name));
	const entries = [
		asks(picture("old"), {name: "a.txt", size: 2, text: "hi"}, picture("x", 9e6)),
		asks(...many),
	];
	const {body} = await follow(conversationOf(entries), []);
	const [first, second] = body.messages.map(({content}) =>
		content.map(({type, name, text}) => [type, name, text]),
	);
	assert.deepEqual(first, [
		["text", undefined, "b"],
		["image_url", "old", undefined],
		["text", "a.txt", "hi"],
		["text", "x", "…"],
	]);
	assert.equal(second.length, 8);
	assert.deepEqual(body.messages[0].content[1].image_url, {url: picture("old").url});
});

test("a message is kept with the HTML that it was shown as, and saved at once", async () => {
	const conversation = conversationOf();
	const events = [
		["text", {delta: "半"}],
		["html", {html: "<p>半</p>"}],
		message("assistant", "半句"),
		message("tool", "b"),
	];
	const {saved} = await follow(conversation, [...events, ["done", {reason: "stop"}]]);
	assert.deepEqual(
		conversation.entries.map(({message: {content}, html}) => [content, html]),
		[
			["半句", "<p>半</p>"],
			["b", ""],
		],
	);
	assert.deepEqual(saved, [1, 2, 2]);
});

test("text is shown whole, and not again once it is rendered", async () => {
	const {view} = await follow(conversationOf(), [
		["text", {delta: "一"}],
		["text", {delta: "二"}],
		["html", {html: "<p>一二</p>"}],
		["text", {delta: "三"}],
	]);
	assert.deepEqual(view.told, [
		["text", "一", ""],
		["text", "一二", ""],
		["html", "<p>一二</p>", ""],
		["text", "一二三", "<p>一二</p>"],
	]);
});

test("of HTML only the last block is read again, and all of it is kept with the message", async () => {
	const conversation = conversationOf();
	const {view} = await follow(conversation, [
		["html", {html: "<p>a</p>", keep: 0}],
		["html", {html: "<p>ab</p>\n", keep: 0}],
		["html", {html: "<p>c</p>", keep: 10}],
		["html", {html: "<p>cd</p>", keep: 10}],
		["html", {html: "<p>x</p>", keep: 0}],
		message("assistant", "x"),
	]);
	assert.deepEqual(view.told, [
		["html", "<p>a</p>", ""],
		["html", "<p>ab</p>\n", ""],
		["html", "<p>c</p>", "<p>ab</p>\n"],
		["html", "<p>cd</p>", ""],
		["html", "<p>x</p>"],
	]);
	assert.equal(conversation.entries[0].html, "<p>x</p>");
});

test("how long the model thought is kept with its thoughts, and counted anew for the next message", async context => {
	let now = 1; // whatever becomes of the time of day
	context.mock.method(performance, "now", () => now);
	context.mock.method(Date, "now", () => -now);
	const conversation = conversationOf();
	const later = () => {
		now += 3200;
	};
	const thought = ["thinking", {delta: "想"}];
	const said = message("assistant", "答");
	const {view} = await follow(conversation, [thought, later, thought, later, said, thought, said]);
	assert.deepEqual(
		view.told.filter(([name]) => name === "thoughts").map(([, , ms]) => ms),
		[0, 3200, 0],
	);
	assert.deepEqual(
		conversation.entries.map(({thoughtMs}) => thoughtMs),
		[3200, undefined],
	);
});

test("thoughts are kept beside the message, and what was taken back is gone", async () => {
	const conversation = conversationOf();
	const {view} = await follow(conversation, [
		["text", {delta: "想"}],
		["html", {html: "<p>想</p>"}],
		["text", {delta: "", restart: true}],
		["thinking", {delta: "想"}],
		["text", {delta: "答"}],
		["message", {message: {role: "assistant", content: "答", error: {code: "model_late", params: {}}}}],
	]);
	assert.deepEqual(view.told.slice(2), [
		["text", "", ""],
		["thoughts", "想", 0],
		["text", "答", ""],
		["remarks", {role: "assistant", content: "答", error: {code: "model_late", params: {}}}],
	]);
	const [{html, thoughts}] = conversation.entries;
	assert.deepEqual([html, thoughts], ["", "想"]);
});

test("a call's card follows its way from the question to the result", async () => {
	const conversation = conversationOf();
	const {view} = await follow(conversation, [
		["tool_call", buy],
		["approval", {id: "x"}],
		["tool_progress", {id: "x", progress: 1, total: 2}],
		["tool_result", {id: "x", result: "ok", isError: false, unknown: false, ms: 3}],
	]);
	const {waiting, progress, result, auto} = conversation.calls.x;
	assert.deepEqual(
		{waiting, progress, result, auto},
		{waiting: true, progress: null, result: "ok", auto: true},
	);
	assert.deepEqual(view.told, Array(4).fill(["card", "x"]));
});

for (const [change, auto] of [
	[{}, true],
	[{fingerprint: "f2"}, false],
	[{readOnly: true}, false],
]) {
	test(`a tool ${JSON.stringify(change)} ran ${auto ? "" : "not "}because it is always allowed`, async () => {
		const conversation = conversationOf();
		await follow(conversation, [["tool_call", {...buy, ...change}]]);
		assert.equal(conversation.calls.x.auto, auto);
	});
}

for (const [name, events, end] of [
	["its reason", [["done", {reason: "rounds"}]], {reason: "rounds"}],
	[
		"an error in the reader's words",
		[["error", {code: "no_reply", params: {}, detail: "…"}]],
		{
			reason: "error",
			detail: "模型没有给出回答",
			lost: false,
			failure: {code: "no_reply", params: {}, detail: "…"},
		},
	],
	["lost, without one", [["text", {delta: "半"}]], {reason: "lost", lost: true}],
	[
		"an error of a service that restarts, which may be asked again",
		[["error", {code: "restarting", params: {}}]],
		{
			reason: "error",
			detail: "服务正在重启，没有完成。请稍后再试。",
			lost: true,
			failure: {code: "restarting", params: {}},
		},
	],
	[
		"an error, whatever done says",
		[
			["error", {detail: "坏了"}],
			["done", {reason: "error"}],
		],
		{reason: "error", detail: "坏了", lost: false, failure: {detail: "坏了"}},
	],
	[
		"its reason, after an event that is unknown here",
		[
			["constructor", {}],
			["done", {reason: "stop"}],
		],
		{reason: "stop"},
	],
]) {
	test(`an answer ends with ${name}`, async () =>
		assert.deepEqual((await follow(conversationOf(), events)).end, end));
}

test("a request that fails ends the answer with its message", async () => {
	const fail = () => {
		throw new Error("503");
	};
	assert.deepEqual((await follow(conversationOf(), [fail])).end, {
		reason: "error",
		detail: "503",
		lost: true,
		failure: undefined,
	});
});

const half = {message: {role: "assistant", content: "半句"}, html: "", thoughts: "", part: true};

for (const [name, last, end] of [
	["a stop", stopping => stopping.abort(), {reason: "stopped"}],
	["a lost connection", () => {}, {reason: "lost", lost: true}],
	[
		"an error",
		["error", {detail: "坏了"}],
		{reason: "error", detail: "坏了", lost: false, failure: {detail: "坏了"}},
	],
]) {
	test(`${name} keeps what has been read, as a part`, async () => {
		const conversation = conversationOf();
		const {end: seen} = await follow(conversation, [["text", {delta: "半句"}], last]);
		assert.deepEqual([seen, conversation.entries, standing(conversation)], [end, [half], "cut"]);
	});
}

for (const event of [
	["tool_result", {id: "x", result: "…", isError: true, code: "replaced"}],
	["error", {code: "edit_invalid", params: {field: "n"}}],
]) {
	test(`an edit is sent until it is taken or refused: ${event[1].code}`, async () => {
		const entries = [user("a"), assistant("", "x")];
		const conversation = {...conversationOf(entries, {x: {...buy, waiting: true}}), edits: {x: {n: 3}}};
		await follow(conversation, [event]);
		assert.deepEqual(conversation.edits, {});
	});
}
