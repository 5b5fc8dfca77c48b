import assert from "node:assert/strict";
import {test} from "node:test";
import {callState, entriesToKeep, openCalls, standing} from "../../public/call-states.js";
import {assistant, conversationOf, tool, user} from "./support.js";

for (const [entries, open] of [
	[[], []],
	[[user("a")], []],
	[
		[user("a"), assistant("", "x", "y")],
		["x", "y"],
	],
	[[user("a"), assistant("", "x", "y"), tool("x")], ["y"]],
	[[user("a"), assistant("", "x"), tool("x"), assistant("b")], []],
]) {
	const roles = entries.map(({message}) => message.role).join(", ");
	test(`open after [${roles}]: [${open}]`, () => assert.deepEqual(openCalls(conversationOf(entries)), open));
}

const [done, live] = [{result: "…"}, true];
for (const [call, approval, isAnswering, state] of [
	[undefined, undefined, false, "halted"],
	[{waiting: true}, undefined, true, "waiting"],
	[{waiting: true}, false, false, "refused"],
	[{...done, isError: true}, false, false, "refused"],
	[{waiting: true}, true, live, "running"],
	[{waiting: true}, true, false, "unknown"],
	[{waiting: true, chosen: true}, true, false, "chosen"],
	[{auto: true}, undefined, false, "unknown"],
	[{}, undefined, live, "running"],
	[{}, undefined, false, "halted"],
	[done, undefined, false, "done"],
	[{...done, isError: true}, true, false, "failed"],
	[{...done, isError: true, unknown: true}, true, false, "unknown"],
]) {
	test(`a call ${JSON.stringify(call)}, decided ${approval}, answering ${isAnswering}: ${state}`, () => {
		const conversation = conversationOf(
			[],
			call ? {x: call} : {},
			approval === undefined ? {} : {x: approval},
		);
		assert.equal(callState(conversation, "x", isAnswering), state);
	});
}

const asked = [user("a"), assistant("", "x")];
for (const [name, conversation, expected] of [
	["nothing asked", conversationOf(), ""],
	["a question without an answer", conversationOf([user("a")]), "cut"],
	["an answer", conversationOf([user("a"), assistant("b")]), "whole"],
	["a call that waits", conversationOf(asked, {x: {waiting: true}}), "waiting"],
	["a call that was approved and has no result", conversationOf(asked, {x: {}}, {x: true}), "unknown"],
	["a call that was cut off", conversationOf(asked, {x: {}}), "cut"],
	["a result without an answer", conversationOf([...asked, tool("x")], {x: done}), "cut"],
]) {
	test(`${name}: "${expected}"`, () => assert.equal(standing(conversation), expected));
}

const bought = [...asked, tool("x"), assistant("b"), user("c"), assistant("d")];
for (const [name, call, approvals, from, kept] of [
	["what only read is forgotten", {...done, readOnly: true}, {}, 1, 1],
	["what wrote stays, with its result", done, {}, 1, 3],
	["what may have written stays", {...done, unknown: true}, {}, 0, 3],
	["what was refused is forgotten", done, {x: false}, 1, 1],
	["what failed is forgotten", {...done, isError: true}, {}, 1, 1],
	["what wrote before does not matter", done, {}, 4, 4],
]) {
	test(`asking anew: ${name}`, () =>
		assert.equal(entriesToKeep(conversationOf(bought, {x: call}, approvals), from), kept));
}
