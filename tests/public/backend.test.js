import assert from "node:assert/strict";
import {test} from "node:test";
import {events, messageOf, parseEvents, refusalOf} from "../../public/backend.js";

async function parse(chunks) {
	const found = [];
	for await (const event of parseEvents(chunks)) found.push(event);
	return found;
}

const HTML = {event: "html", data: {html: "<p>中文🛒</p>"}};
const WIRE = `: keep-alive\r\n\r\nevent: html\r\ndata: ${JSON.stringify(HTML.data)}\r\n\r\nevent: done\ndata: {}\n\n`;

for (const size of [1, 2, 7, WIRE.length]) {
	test(`events that arrive ${size} characters at a time are whole`, async () => {
		const chunks = WIRE.match(new RegExp(`[^]{1,${size}}`, "g"));
		assert.deepEqual(await parse(chunks), [HTML, {event: "done", data: {}}]);
	});
}

for (const char of ["\u2028", "\u2029", "\u0085", "\uFEFF", "\uFFFF", "\u202E"]) {
	test(`U+${char.charCodeAt(0).toString(16)} ends no line`, async () =>
		assert.deepEqual(await parse([`event: html\ndata: {"html": "a${char}b"}\n\n`]), [
			{event: "html", data: {html: `a${char}b`}},
		]));
}

for (const end of ["\n", "\r", "\r\n"]) {
	test(`lines end in ${JSON.stringify(end)}, wherever they are cut`, async () => {
		const wire = ["id: 1", "event:html", 'data: {"a":', "data:1}", "", ":x", "data: 2", "", ""].join(end);
		for (const size of [1, 2, 3, wire.length]) {
			const chunks = wire.match(new RegExp(`[^]{1,${size}}`, "g"));
			assert.deepEqual(await parse(chunks), [
				{event: "html", data: {a: 1}},
				{event: "", data: 2},
			]);
		}
	});
}

for (const wire of ["", ": idle\n\n", "event: html\n\n", 'event: html\ndata: {"cut off": '])
	test(`${JSON.stringify(wire)} is no event`, async () => assert.deepEqual(await parse([wire]), []));

test("a request that got no answer says that web.py cannot be reached", () => {
	assert.match(messageOf(new TypeError("fetch failed")), /web\.py/);
	assert.equal(messageOf(new Error("坏了")), "坏了");
	assert.match(messageOf(new SyntaxError("Unexpected token")), /读不懂/);
});

const late = {code: "late", params: {server: "shop"}, detail: "…"};
for (const [body, text] of [
	[{...late, unknown: false}, "服务器 shop 没有及时回答"],
	[{...late, unknown: true}, /^服务器 shop 没有及时回答 这次操作可能已经执行，也可能没有。/],
	[{...late, code: "their_own", unknown: true}, "…"],
	[{detail: [{msg: "too long"}], code: "invalid_request", params: {}}, '[{"msg":"too long"}]'],
	[{}, "HTTP 502 {}"],
]) {
	test(`an answer of ${JSON.stringify(body)} says ${text}`, () => {
		const said = refusalOf(502, JSON.stringify(body));
		if (text instanceof RegExp) assert.match(said, text);
		else assert.equal(said, text);
	});
}

test("an answer that is not ours is shown by its status and its beginning", () =>
	assert.equal(refusalOf(504, "x".repeat(500)), `HTTP 504 ${"x".repeat(200)}`));

test("a stream that is silent for longer than web.py ever is has broken off", async t => {
	t.mock.timers.enable({apis: ["setTimeout"]});
	let isLeft = false;
	const body = new ReadableStream({
		start: stream => stream.enqueue(new TextEncoder().encode("event: a\ndata: 1\n\n")),
		cancel: () => {
			isLeft = true;
		},
	});
	t.mock.method(globalThis, "fetch", async () => new Response(body));
	const stream = events("api/watch", null, new AbortController().signal);
	assert.deepEqual((await stream.next()).value, {event: "a", data: 1});
	const next = stream.next();
	await new Promise(setImmediate); // it waits for more
	t.mock.timers.tick(44_999);
	assert.equal(isLeft, false);
	t.mock.timers.tick(1);
	assert.equal((await next).done, true);
	assert.equal(isLeft, true);
});
