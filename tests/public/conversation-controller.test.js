import assert from "node:assert/strict";
import {test} from "node:test";
import {ConversationController} from "../../public/conversation-controller.js";
import {assistant, conversationOf, RecordingView, tool, user} from "./support.js";

/** A controller whose answers end when the test says so. */
function control(conversation) {
	const turns = [];
	const follow = () => new Promise(end => turns.push(end));
	const ignore = () => {};
	const page = {save: ignore, begun: ignore, ended: ignore, asked: ignore, notify: ignore, queued: ignore};
	const controller = new ConversationController(conversation, page, () => new RecordingView(), follow);
	return {controller, turns, told: controller.view.told};
}

const settled = () => new Promise(setImmediate); // what has ended has been told
const waiting = ids => Object.fromEntries(ids.map(id => [id, {server: "s", tool: "t", waiting: true}]));
const asking = (...ids) => conversationOf([user("a"), assistant("", ...ids)], waiting(ids));
const contents = ({entries}) => entries.map(({message}) => message.content);

test("a second question is not asked while an answer is coming", () => {
	const conversation = conversationOf();
	const {controller, turns} = control(conversation);
	controller.ask("一");
	controller.ask("二");
	assert.deepEqual([turns.length, contents(conversation)], [1, ["一"]]);
});

test("the next question is asked once the answer has ended", async () => {
	const {controller, turns} = control(conversationOf());
	const first = controller.ask("一");
	turns[0]({reason: "stop"});
	await first;
	controller.ask("二");
	assert.equal(turns.length, 2);
});

for (const [first, second] of [
	[true, false],
	[false, true],
]) {
	test(`a call that was ${first ? "approved" : "refused"} stays so`, () => {
		const conversation = asking("x", "y");
		const {controller, turns} = control(conversation);
		controller.decide("x", first);
		controller.decide("x", second);
		assert.deepEqual(conversation.approvals, {x: first});
		assert.equal(turns.length, 0);
	});
}

test("what is decided while the answer is still coming goes out at its end", async () => {
	const conversation = asking("x", "y");
	const {controller, turns} = control(conversation);
	controller.answer();
	controller.decide("x", true);
	controller.decide("x", false);
	assert.deepEqual([conversation.approvals, conversation.calls.x.chosen], [{x: true}, true]);
	controller.decide("y", false);
	turns[0]({reason: "approval"});
	await settled();
	assert.deepEqual([conversation.approvals, turns.length], [{x: true, y: false}, 2]);
});

test("a decision while the answer is coming waits for the others", async () => {
	const conversation = asking("x", "y");
	const {controller, turns} = control(conversation);
	controller.answer();
	controller.decide("x", true);
	turns[0]({reason: "approval"});
	await settled();
	assert.equal(turns.length, 1);
	controller.decide("y", true);
	assert.equal(turns.length, 2);
});

test("a call is changed or made again once the answer has ended that was coming", async () => {
	for (const press of ["change", "repeat"]) {
		const conversation = asking("x");
		const {controller, turns} = control(conversation);
		controller.answer();
		if (press === "repeat") Object.assign(conversation.calls.x, {waiting: false, unknown: true, result: "?"});
		controller[press]("x", {n: 3});
		assert.equal(turns.length, 1);
		turns[0]({reason: "stop"});
		await settled();
		assert.equal(turns.length, 2);
	}
});

test("the answer goes on once every call is decided", () => {
	const conversation = asking("x", "y");
	const {controller, turns, told} = control(conversation);
	controller.decide("x", true);
	assert.deepEqual([turns.length, conversation.calls.x.chosen], [0, true]);
	assert.deepEqual(told.at(-1), ["card", "x"]);
	controller.decide("y", false);
	assert.deepEqual([turns.length, conversation.calls.x.chosen], [1, false]);
});

test("a new question refuses what waits", () => {
	const conversation = asking("x");
	control(conversation).controller.ask("算了");
	assert.deepEqual(conversation.approvals, {x: false});
});

test("a new question leaves what was interrupted unknown, for the model too", () => {
	const conversation = conversationOf([user("a"), assistant("", "x")], {x: {}}, {x: true});
	control(conversation).controller.ask("二");
	assert.deepEqual(
		conversation.entries.map(({message}) => message.role),
		["user", "assistant", "tool", "user"],
	);
	assert.equal(conversation.calls.x.unknown, true);
	const {content, error} = conversation.entries[2].message;
	assert.match(content, /^错误: /);
	assert.deepEqual(error, {code: "outcome_unknown", params: {}});
});

test("the first question is the title, on one line and not too long", () => {
	const conversation = conversationOf();
	control(conversation).controller.ask(`一\n二 ${"三".repeat(90)}`);
	assert.equal(conversation.title, `一 二 ${"三".repeat(76)}`);
});

for (const [name, entries, calls, kept] of [
	["forgets what came after it", [user("一"), assistant("答"), user("二")], {}, ["新"]],
	[
		"keeps what was bought",
		[user("一"), assistant("", "x"), tool("x")],
		{x: {result: "…"}},
		["一", "", "…", "新"],
	],
]) {
	test(`editing a question ${name}`, () => {
		const conversation = conversationOf(entries, calls);
		control(conversation).controller.edit(entries[0], "新");
		assert.deepEqual(contents(conversation), kept);
	});
}

test("answering again forgets the answer and keeps what was bought", () => {
	const conversation = conversationOf([user("一"), assistant("", "x"), tool("x"), assistant("答")], {
		x: {result: "…"},
	});
	control(conversation).controller.regenerate();
	assert.deepEqual(contents(conversation), ["一", "", "…"]);
});

for (const [end, entries, told] of [
	[{reason: "error", detail: "坏了"}, [user("一")], ["error", "坏了"]],
	[{reason: "rounds"}, [user("一"), assistant("答")], ["note", "已连续调用工具 10 轮，先停在这里。"]],
	[{reason: "lost"}, [user("一")], ["note", "回答中断了。"]],
	[{reason: "stopped"}, [user("一"), assistant("半")], ["note", "已停止"]],
]) {
	test(`an answer that ended with ${end.reason} is explained`, () => {
		const {controller, told: all} = control(conversationOf(entries));
		controller.explain(end);
		assert.deepEqual(all.at(-1).slice(0, 2), told);
	});
}

test("an answer that ended as it should needs no explanation", () => {
	const {controller, told} = control(conversationOf([user("一"), assistant("答")]));
	controller.explain({reason: "stop"});
	assert.deepEqual(told, [["render"]]);
});

const asked = () => ({id: "q", server: "s", message: "?", schema: {}, url: "", state: "sealed"});
const midCall = () =>
	conversationOf([user("a"), assistant("", "x")], {x: {server: "s", questions: [asked()]}});

test("what is answered while other calls run goes out when they have ended, once", async () => {
	const conversation = midCall();
	const {controller, turns} = control(conversation);
	controller.answer();
	const [question] = conversation.calls.x.questions;
	controller.respond("x", question, {action: "decline"});
	controller.respond("x", question, {action: "accept"});
	assert.deepEqual([turns.length, question.answer.action], [1, "decline"]);
	turns[0]({reason: "question"});
	await new Promise(setImmediate);
	assert.equal(turns.length, 2);
});

test("to stop is to end what a server asks", () => {
	const conversation = midCall();
	const {controller} = control(conversation);
	controller.answer();
	controller.stop();
	assert.deepEqual(conversation.calls.x.questions, []);
});

for (const [reason, sent] of [
	["stop", 2],
	["rounds", 2],
	["next", 2],
	["stopped", 1],
	["lost", 1],
	["error", 1],
]) {
	test(`after an answer that ended with ${reason}, ${sent - 1} of the questions that wait goes out`, async () => {
		const conversation = conversationOf();
		const {controller, turns} = control(conversation);
		const first = controller.ask("一");
		controller.queue([
			{text: "二", files: []},
			{text: "三", files: []},
		]);
		turns[0]({reason});
		await first;
		assert.deepEqual([turns.length, conversation.queued.length], [sent, 3 - sent]);
	});
}

test("what broke off is said anew", () => {
	const conversation = conversationOf([user("一"), {...assistant("半"), part: true}]);
	const {controller, turns, told} = control(conversation);
	assert.deepEqual(told.at(-1), ["note", "回答中断了。", controller.answer]);
	controller.answer();
	assert.deepEqual([turns.length, contents(conversation)], [1, ["一"]]);
});

test("a call that waits can be changed, one that is decided cannot", () => {
	const conversation = asking("x", "y");
	const {controller, turns} = control(conversation);
	controller.decide("y", true);
	controller.change("y", {n: 3});
	assert.deepEqual([turns.length, conversation.edits], [0, undefined]);
	controller.change("x", {n: 3});
	assert.deepEqual([turns.length, conversation.edits], [1, {x: {n: 3}}]);
});
