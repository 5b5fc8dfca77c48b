import assert from "node:assert/strict";
import {test} from "node:test";
import {events} from "../../public/backend.js";
import {readFiles} from "../../public/read-files.js";

const WIDE = text => Buffer.from(text, "utf16le");
for (const [name, bytes, text] of [
	["UTF-8", Buffer.from("手表 \u001b[1m"), "手表 \u001b[1m"],
	["UTF-8 with a mark", Buffer.from("\ufeff手表"), "手表"],
	["GB18030", Buffer.from("cad6b1ed", "hex"), "手表"],
	["UTF-16", WIDE("\ufeff手表"), "手表"],
	["UTF-16, the other end first", WIDE("\ufeff手表").swap16(), "手表"],
	["UTF-16 without a mark", WIDE("name,手表"), "name,手表"],
	["UTF-16 without a mark, the other end first", WIDE("name,手表").swap16(), "name,手表"],
	["none of them", Buffer.from("ff80ff", "hex"), undefined],
	["no text", Buffer.from("PK\u0003\u0004"), undefined],
]) {
	test(`a file is read as ${name}`, async () => {
		const {attachments, problems} = await readFiles([new File([bytes], "a")], []);
		assert.deepEqual([attachments[0]?.text, problems.length], [text, text === undefined ? 1 : 0]);
	});
}

test("the texts of a question are bounded together", async () => {
	const before = [{name: "b", size: 9, text: "x".repeat(150_000)}];
	const files = [50_001, 50_000].map(length => new File(["x".repeat(length)], `${length}`));
	const {attachments, problems} = await readFiles(files, before);
	assert.deepEqual([attachments.map(({name}) => name), problems.length], [["50000"], 1]);
	assert.match(problems[0], /^50001 .* 200,000 /);
});

test("a request that the service would not take is not sent", async () => {
	const body = {messages: "x".repeat(16 * 2 ** 20)};
	await assert.rejects(events("api/chat/stream", body).next(), /16 MB/);
});
