import assert from "node:assert/strict";
import {test} from "node:test";
import {messageOf, parseEvents} from "../../public/backend.js";

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

for (const wire of ["", ": idle\n\n", "event: html\n\n", 'event: html\ndata: {"cut off": '])
	test(`${JSON.stringify(wire)} is no event`, async () => assert.deepEqual(await parse([wire]), []));

test("a request that got no answer says that web.py cannot be reached", () => {
	assert.match(messageOf(new TypeError("fetch failed")), /web\.py/);
	assert.equal(messageOf(new Error("坏了")), "坏了");
});
