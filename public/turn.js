// One answer: follows its stream, and keeps every message the moment it is complete.
import {events} from "./api.js";
import {t} from "./i18n.js";
import {listed} from "./store.js";

/** A tool as it was allowed; changed, it is another. */
export const asAllowed = ({server, tool, fingerprint}) => `${server}/${tool}@${fingerprint}`;

// Of the newest assistant message.
export function openCalls({entries}) {
	const last = entries.findLastIndex(({message}) => message.role !== "tool");
	const answered = entries.slice(last + 1).map(({message}) => message.tool_call_id);
	const asked = entries[last]?.message.tool_calls ?? [];
	return asked.map(({id}) => id).filter(id => !answered.includes(id));
}

export function stateOf({calls, approvals}, id, live) {
	const {result, unknown, isError, waiting, auto, chosen} = calls[id] ?? {}; // never announced
	const word = approvals[id];
	if (word === false) return "refused";
	if (result !== undefined) return unknown ? "unknown" : isError ? "failed" : "done";
	if (waiting && !word) return "waiting";
	if (chosen) return "chosen";
	return live ? "running" : word || auto ? "unknown" : "halted";
}

/** A call is `waiting` or `unknown`, the answer is `cut`, or all is `whole`. */
export function standing(item) {
	if (!item.entries.length) return "";
	const states = openCalls(item).map(id => stateOf(item, id));
	const whole = !states.length && item.entries.at(-1).message.role === "assistant";
	return ["waiting", "unknown"].find(state => states.includes(state)) ?? (whole ? "whole" : "cut");
}

/** How many entries stay when `from` is asked anew: all that may have bought something, lest it be bought twice. */
export function mustKeep(item, from) {
	const wrote = ({id}) => !item.calls[id]?.readOnly && ["done", "unknown"].includes(stateOf(item, id));
	let keep = item.entries.findLastIndex(({message}, i) => i >= from && message.tool_calls?.some(wrote)) + 1;
	while (keep && item.entries[keep]?.message.role === "tool") keep += 1;
	return keep || from;
}

/** Follow one answer to its reason: the server's, or `stopped`, `lost`, `error` with a detail. */
export async function runTurn(item, view, save, signal) {
	const {calls, entries} = item;
	const approvals = Object.fromEntries(openCalls(item).map(id => [id, item.approvals[id]]));
	const autoApprove = listed("always");
	const body = {messages: entries.map(({message}) => message), approvals, autoApprove, askFirst: listed("askFirst")};
	let text = "";
	let html = "";
	let end = {reason: "lost"};

	const on = {
		text: ({delta}) => view.text((text += delta), html),
		html: data => view.html((html = data.html)),
		message({message}) {
			entries.push({message, html});
			text = html = "";
			view.closeProse();
		},
		tool_call({id, ...call}) {
			const auto = !call.readOnly && autoApprove.includes(asAllowed(call));
			calls[id] = {...calls[id], ...call, auto, waiting: false, chosen: false};
		},
		approval: ({id}) => (calls[id].waiting = true),
		tool_progress: ({id, ...progress}) => (calls[id].progress = progress),
		tool_result: ({id, ...result}) => Object.assign(calls[id], result, {progress: null}),
		error: ({detail}) => (end = {reason: "error", detail}),
		done: ({reason}) => (end = end.detail ? end : {reason}),
	};

	try {
		for await (const {event, data} of events("/api/chat/stream", body, signal)) {
			on[event]?.(data);
			if (data.id) view.card(data.id);
			if (!/text|html|progress/.test(event)) save();
		}
	} catch (error) {
		end = {reason: "error", detail: error instanceof TypeError ? t("offline") : error.message};
	}
	if (!signal.aborted) return end;
	if (text) entries.push({message: {role: "assistant", content: text}, html}); // what was read stays
	save();
	return {reason: "stopped"};
}
