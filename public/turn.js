// One answer: applies its events, and keeps every message the moment it is complete.
import {events, failureOf, isLost, messageOf} from "./backend.js";
import {isQuestion, openCalls, sentEntries} from "./call-states.js";
import {keep} from "./conversations.js";
import {failureText} from "./i18n.js";
import {isListed, listTool} from "./preferences.js";
import {addUsage} from "./usage.js";

/** @import {ConversationView} from "./conversation-view.js" */
/** @typedef {{always: ListedTool[], askFirst: ListedTool[], off: {server: string, tool?: string}[]}} ToolLists */
/** @typedef {(path: string, body: unknown, signal: AbortSignal) => AsyncIterable<ServerEvent>} Stream */
/** @typedef {{reason: string, detail?: string, lost?: boolean, failure?: Failure}} TurnEnd the server's reason, or `next`, `stopped`, `lost`, `error` with a detail; `lost`: asked again it may come */
/** @typedef {Pick<ConversationView, "text" | "html" | "thoughts" | "remarks" | "closeProse" | "card" | "fold">} TurnView */

const MAX_MEDIA = 8;
const MAX_MEDIA_CHARS = 8 * 2 ** 20; // a request has a bound, and a time in which it must have come
const UNSAVED = ["text", "html", "thinking", "tool_progress"]; // too many, and soon outdated
const PART_MS = 1000; // after which what has come of a message is kept again

class Turn {
	/** @type {TurnEnd} */
	end = {reason: "lost", lost: true};
	text = "";
	kept = ""; // of the answer's HTML, before its last block
	last = "";
	thoughts = "";
	thoughtAt = 0; // when it began to think ...
	thoughtMs = 0; // ... and for how long it has by now
	/** @type {Question[]} what was asked before, with the answers that this turn took */
	#answered = [];

	/** @param {Conversation} conversation @param {TurnView} view @param {ListedTool[]} always */
	constructor(conversation, view, always) {
		this.conversation = conversation;
		this.view = view;
		this.always = always;
	}

	get html() {
		return this.kept + this.last;
	}

	/** @param {ServerEvent} event */
	apply({event, data}) {
		if (Object.hasOwn(this.#handlers, event)) this.#handlers[/** @type {keyof TurnEvents} */ (event)](data);
		const id = data.call ?? data.id;
		if (id) this.view.card(id);
	}

	/** What has come of a message that is not complete. @returns {Entry | null} */
	get part() {
		const {text, html, thoughts, thoughtMs} = this;
		const message = {role: "assistant", content: text};
		return text ? {message, html, thoughts, ...(thoughtMs && {thoughtMs}), part: true} : null;
	}

	/** @param {Message} message */
	#append(message) {
		const {html, thoughts, thoughtMs} = this;
		this.conversation.entries.push({message, html, thoughts, ...(thoughtMs && {thoughtMs})});
		this.text = this.kept = this.last = this.thoughts = "";
		this.thoughtAt = this.thoughtMs = 0;
	}

	/** @param {string} id @param {Partial<Call>} news */
	#update(id, news) {
		Object.assign(this.conversation.calls[id], news);
	}

	/** @type {{[name in keyof TurnEvents]: (data: TurnEvents[name]) => void}} */
	#handlers = {
		thinking: ({delta}) => {
			this.thoughts += delta;
			const now = performance.now();
			this.thoughtAt ||= now;
			this.thoughtMs = Math.round(now - this.thoughtAt);
			this.view.thoughts(delta, this.thoughtMs);
		},
		text: ({delta, restart}) => {
			if (restart) this.text = this.kept = this.last = "";
			this.text += delta;
			this.view.text(this.text, this.html);
		},
		/** What stays of the HTML is only added to: nothing of it is read again. */
		html: ({html, keep = 0}) => {
			const stayed = this.kept.length <= keep;
			const fixed = stayed ? this.last.slice(0, keep - this.kept.length) : "";
			this.kept = this.kept.slice(0, keep) + fixed;
			this.last = html;
			if (stayed) this.view.html(html, fixed);
			else this.view.html(this.html);
		},
		message: ({message}) => {
			this.#append(message);
			if (message.role === "assistant" && (message.error || message.notes)) this.view.remarks(message);
			this.view.closeProse();
		},
		tool_call: ({id, ...call}) => {
			const {calls} = this.conversation;
			const auto = !call.readOnly && isListed(this.always, call);
			this.#answered.push(...(calls[id]?.questions ?? []));
			const at = calls[id]?.at ?? Date.now();
			calls[id] = {...calls[id], ...call, at, auto, waiting: false, chosen: false, questions: []};
		},
		approval: ({id, code, params}) => {
			const call = this.conversation.calls[id];
			const chosen = this.conversation.approvals[id]; // while others of the same message still wait
			this.#update(id, {waiting: true, at: undefined, chosen, why: code ? {code, params} : null});
			if (!call.readOnly) listTool("asked", call, true);
		},
		/** One that is asked again has the answer of before, to be mended. */
		question: ({call, ...question}) => {
			const given = this.#answered.find(({id}) => id === question.id)?.answer;
			const {questions = []} = this.conversation.calls[call];
			// What was not wrong stays answered while another of the same call is.
			const answer = question.code ? null : given;
			this.#update(call, {
				at: undefined,
				questions: [...questions, {...question, answer, content: given?.content}],
			});
		},
		tool_progress: ({id, ...progress}) => this.#update(id, {progress}),
		tool_result: ({id, ...result}) => {
			this.#update(id, {...result, progress: null});
			delete this.conversation.edits?.[id];
		},
		/** What it stands for stays here, and is not sent again. */
		compacted: ({message, questions}) => {
			const {entries} = this.conversation;
			const asked = entries.flatMap((entry, i) => (isQuestion(entry) ? [i] : []));
			entries.splice(asked.at(-questions) ?? 0, 0, {message});
			this.view.fold();
		},
		usage: usage => addUsage(this.conversation, usage),
		error: failure => {
			const asked = Object.values(this.conversation.calls).flatMap(({questions = []}) => questions);
			if (failure.code === "answer_not_genuine") for (const question of asked) question.answer = null;
			if (failure.code?.startsWith("edit_")) this.conversation.edits = {}; // it waits as it was
			const lost = failure.code === "restarting";
			this.end = {reason: "error", detail: failureText(failure), lost, failure};
		},
		done: ({reason}) => {
			if (!this.end.detail) this.end = {reason};
		},
	};
}

/** Whether a picture or sound still goes along: the newest do, for no more go to a model. @typedef {(data: string) => boolean} Fits */

/** @returns {Fits} */
function newest() {
	let [count, chars] = [MAX_MEDIA, MAX_MEDIA_CHARS];
	return ({length}) => {
		if (!count || length > chars) return false;
		count -= 1;
		chars -= length;
		return true;
	};
}

/** @param {Attachment} file @param {Fits} fits */
function partOf({name, url, text = "…"}, fits) {
	return url && fits(url) ? {type: "image_url", image_url: {url}, name} : {type: "text", text, name};
}

/** What this message is sent as: with what is attached, or came of a call. @type {(entry: Entry, media: Media[], fits: Fits) => Message} */
function withMedia({message, files}, media, fits) {
	const sent = media.filter(({mime_type: type, data}) => /^(image|audio)\//.test(type) && data && fits(data));
	if (sent.length) return /** @type {Message} */ ({...message, media: sent});
	if (!files) return message;
	const parts = files.map(file => partOf(file, fits));
	return {...message, content: [{type: "text", text: message.content}, ...parts]};
}

/** The media of this question's results go along, for a model that takes them. @param {Conversation} conversation @param {ToolLists} lists */
function requestBody(conversation, {always, askFirst, off}) {
	const {calls, approvals: decided, edits = {}} = conversation;
	const open = openCalls(conversation);
	const approvals = Object.fromEntries(open.map(id => [id, decided[id]]));
	const agreed = open.filter(id => decided[id] && calls[id]?.confirmed).map(id => [id, calls[id].confirmed]);
	const answers = open
		.flatMap(id => calls[id]?.questions ?? [])
		.map(({id, state, answer}) => answer && [id, {...answer, state}])
		.filter(Array.isArray);
	const entries = sentEntries(conversation);
	const question = entries.findLastIndex(isQuestion);
	const fits = newest();
	const mediaOf = (/** @type {Entry} */ {message}, /** @type {number} */ i) =>
		(i > question && calls[message.tool_call_id ?? ""]?.media) || [];
	const messages = entries.map((entry, i) => ({entry, media: mediaOf(entry, i)}));
	const sent = messages.reverse().map(({entry, media}) => withMedia(entry, media, fits));
	return {
		messages: sent.reverse(),
		approvals,
		confirmed: Object.fromEntries(agreed),
		answers: Object.fromEntries(answers),
		edits: Object.fromEntries(open.filter(id => edits[id]).map(id => [id, edits[id]])),
		autoApprove: always,
		askFirst,
		off,
		model: conversation.model,
	};
}

/** Whether a round has its last result, and a question is to go out before the next. @param {Conversation} conversation @param {ServerEvent} event */
const isBetweenRounds = (conversation, {event, data}) =>
	event === "message" &&
	data.message.role === "tool" &&
	conversation.queued?.[0]?.soon === true &&
	!openCalls(conversation).length;

/**
 * Ask for an answer and follow it to its end, or, with the reason `next`, to where a question goes out.
 * @param {Conversation} conversation @param {TurnView} view @param {() => void} save @param {AbortSignal} signal
 * @param {ToolLists} lists @param {Stream} stream @returns {Promise<TurnEnd>}
 */
export async function followTurn(conversation, view, save, signal, lists, stream = events) {
	const turn = new Turn(conversation, view, lists.always);
	const {entries} = conversation;
	let keptAt = 0;
	const keepPart = () => {
		keptAt = performance.now();
		keep("part", conversation.id, turn.part && {at: entries.length, entry: turn.part});
	};
	keepPart();
	globalThis.addEventListener?.("pagehide", keepPart);
	try {
		for await (const event of stream("api/chat/stream", requestBody(conversation, lists), signal)) {
			turn.apply(event);
			if (!UNSAVED.includes(event.event)) save();
			else if (performance.now() - keptAt > PART_MS) keepPart();
			if (isBetweenRounds(conversation, event)) return {reason: "next"};
		}
	} catch (error) {
		turn.end = {reason: "error", detail: messageOf(error), lost: isLost(error), failure: failureOf(error)};
	} finally {
		globalThis.removeEventListener?.("pagehide", keepPart);
		keepPart(); // until the conversation is stored with it
		if (turn.part) entries.push(turn.part);
	}
	if (!signal.aborted) return turn.end;
	save();
	return {reason: "stopped"};
}
