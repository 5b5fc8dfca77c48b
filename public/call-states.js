// How far the tool calls of a conversation have come.

/** @typedef {"refused" | "unknown" | "failed" | "done" | "waiting" | "asking" | "chosen" | "running" | "halted" | "replaced"} CallState */

/** @param {Entry} entry */
export const isQuestion = ({message}) => message.role === "user" && !message.compacted;

/** The newest summary, and all that it does not stand for. @param {Conversation} conversation */
export function sentEntries({entries}) {
	const summary = entries.findLastIndex(({message}) => message.compacted);
	return entries.slice(Math.max(0, summary));
}

/** Ids of the newest assistant message's calls without a result. @param {Conversation} conversation */
export function openCalls({entries}) {
	const last = entries.findLastIndex(({message}) => message.role !== "tool");
	const answered = entries.slice(last + 1).map(({message}) => message.tool_call_id);
	const asked = entries[last]?.message.tool_calls ?? [];
	return asked.map(({id}) => id).filter(id => !answered.includes(id));
}

/** @param {Conversation} conversation @param {string} id @param {boolean} [isAnswering] @returns {CallState} */
export function callState({calls, approvals}, id, isAnswering = false) {
	const call = calls[id] ?? {}; // {}: never announced
	const {result, unknown, isError, code, waiting, auto, chosen, questions = []} = call;
	const decision = approvals[id];
	if (code === "replaced") return "replaced"; // by one that was changed, or waited beside it
	if (decision === false) return "refused";
	if (result !== undefined) return resultState(unknown, isError, code);
	if (waiting && !decision) return "waiting";
	if (questions.some(({answer}) => !answer)) return "asking";
	if (chosen) return "chosen";
	if (isAnswering) return "running";
	return decision || auto ? "unknown" : "halted";
}

/** @param {boolean} [unknown] @param {boolean} [isError] @param {string | null} [code] */
function resultState(unknown, isError, code) {
	if (unknown) return "unknown";
	if (code === "stopped" || code === "stopped_unsent") return "halted";
	return isError ? "failed" : "done";
}

/** `waiting` or `unknown`: a call is; `cut`: the answer is; else `whole`; empty before a question. @param {Conversation} conversation */
export function standing(conversation) {
	if (!conversation.entries.length) return "";
	const states = openCalls(conversation).map(id => callState(conversation, id));
	if (states.includes("waiting") || states.includes("asking")) return "waiting";
	if (states.includes("unknown")) return "unknown";
	const last = conversation.entries.at(-1);
	return !states.length && last?.message.role === "assistant" && !last.part ? "whole" : "cut";
}

/** Whether something may have been changed by it. @param {Conversation} conversation @param {Entry} entry */
const hasWritten = (conversation, {message}) =>
	message.tool_calls?.some(
		({id}) => !conversation.calls[id]?.readOnly && ["done", "unknown"].includes(callState(conversation, id)),
	);

/**
 * The entries with which this call is made again: without its result and what the model made of that. Null where
 * somebody has said something since, or something may have been changed.
 * @param {Conversation} conversation @param {string} id
 */
export function entriesBefore(conversation, id) {
	const {entries, calls} = conversation;
	if (calls[id]?.imported) return null; // it was never shown as what it is
	const asked = entries.findLastIndex(({message}) => message.tool_calls?.some(call => call.id === id));
	const next = entries.findIndex(({message}, i) => i > asked && message.role !== "tool");
	const [round, later] = next < 0 ? [entries, []] : [entries.slice(0, next), entries.slice(next)];
	const isOver = later.some(entry => entry.message.role === "user" || hasWritten(conversation, entry));
	return asked < 0 || isOver ? null : round.filter(({message}) => message.tool_call_id !== id);
}

/** How many entries stay when the one at `from` is asked anew: what has written is not made again. @type {(conversation: Conversation, from: number) => number} */
export function entriesToKeep(conversation, from) {
	const {entries} = conversation;
	let keep = entries.findLastIndex((entry, i) => i >= from && hasWritten(conversation, entry)) + 1;
	while (keep && entries[keep]?.message.role === "tool") keep += 1;
	return keep || from;
}
