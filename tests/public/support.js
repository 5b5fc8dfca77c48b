// Conversations and views for the tests of what follows an answer.

export const user = content => ({message: {role: "user", content}});
export const assistant = (content, ...ids) => ({
	message: {
		role: "assistant",
		content,
		tool_calls: ids.map(id => ({id, function: {name: "f", arguments: "{}"}})),
	},
});
export const tool = id => ({message: {role: "tool", tool_call_id: id, content: "…"}});

export const conversationOf = (entries = [], calls = {}, approvals = {}) => ({
	id: "1",
	title: "",
	at: 0,
	entries,
	calls,
	approvals,
});

/** A view that notes what it is told. */
export class RecordingView {
	told = [];

	constructor() {
		const note =
			name =>
			(...args) =>
				this.told.push([name, ...args]);
		const names = [
			"render",
			"question",
			"text",
			"html",
			"thoughts",
			"remarks",
			"card",
			"begin",
			"fold",
			"finish",
			"note",
			"error",
		];
		for (const name of names) this[name] = note(name);
	}

	closeProse() {}
}
