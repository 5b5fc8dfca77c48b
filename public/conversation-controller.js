// One conversation: what is asked, answered and decided.
import {stopCall} from "./backend.js";
import {callState, entriesBefore, entriesToKeep, openCalls, standing} from "./call-states.js";
import {kept} from "./conversations.js";
import {t} from "./i18n.js";
import {allowForEver, listedTools, switchedOff, toolsThatAsk} from "./preferences.js";
import {followThrough, resume} from "./resume.js";
import {followTurn} from "./turn.js";

/** @import {TurnEnd} from "./turn.js" */
/** @import {ConversationView} from "./conversation-view.js" */
/** @import {CallCard} from "./call-card.js" */
/** @typedef {{save: (conversation: Conversation) => void, notify: (text: string) => void}} Store */
/** @template T @typedef {(controller: ConversationController, about: T) => void} Told */
/** @typedef {Store & {takeOver: (of: Conversation) => Promise<void>, begun: Told<void>, ended: Told<string>, asked: Told<CallCard>, queued: Told<void>}} Page what it does about a conversation */

const MAX_TITLE_CHARS = 80;
export const ERROR = "错误: "; // begins the result of a failed call, as the back end writes it for the model

export class ConversationController {
	/** @type {AbortController | null} of the answer that is coming */
	answering = null;
	#isDue = false; // to go on, as soon as the other calls of the round have ended
	/** @type {Map<string, import("./app-card.js").AppView>} whose apps have a word for the model, by their calls */
	words = new Map();
	/** @type {(() => void) | null} what was pressed while an answer came, for its end */
	#pressed = null;

	/** @param {Conversation} conversation @param {Page} page @param {(controller: any) => ConversationView} makeView any: this */
	constructor(conversation, page, makeView, follow = followTurn) {
		this.conversation = conversation;
		this.page = page;
		this.follow = follow;
		this.view = makeView(this);
		const {at, entry} = kept("part", conversation.id) ?? {}; // of an answer that came when the page was left
		if (entry && at === conversation.entries.length) conversation.entries.push(entry);
		this.show();
	}

	/** Draw everything, unless an answer is being drawn. */
	show() {
		if (this.answering) return;
		this.view.render();
		this.explain({reason: ""});
	}

	save = () => this.page.save(this.conversation);

	/** What only reads is stopped, too, and what asks; what writes is finished all the same. */
	stop() {
		if (!this.answering) return;
		this.answering.abort();
		this.#isDue = false;
		this.#pressed = null;
		for (const id of openCalls(this.conversation)) {
			const {at, readOnly, questions = []} = this.conversation.calls[id] ?? {};
			if (questions.length) this.conversation.calls[id].questions = [];
			if ((at && readOnly) || questions.length) stopCall(id).catch(() => {}); // it is over, or runs elsewhere
			if (at) this.conversation.calls[id].at = undefined;
		}
	}

	/** Go on with calls that ran when the page was left. */
	resume() {
		resume(this);
	}

	/** Whether a question waits for its turn: an answer is coming, or a server's question is to be answered. */
	get isBusy() {
		const isAsking = (/** @type {string} */ id) => callState(this.conversation, id) === "asking";
		return this.answering !== null || openCalls(this.conversation).some(isAsking);
	}

	/** Let a question wait, in this order. @param {Queued[]} queued */
	queue(queued) {
		this.conversation.queued = queued;
		this.save();
		this.page.queued(this);
	}

	/** Let what waits first go out. */
	askNext() {
		const [next, ...others] = this.conversation.queued ?? [];
		if (next && !this.answering) this.ask(next.text, next.files, others);
	}

	/** Ask now, or once what is under way has ended. @param {string} text @param {Attachment[]} [files] */
	say(text, files = []) {
		if (this.isBusy) this.queue([...(this.conversation.queued ?? []), {text, files}]);
		else this.ask(text, files);
	}

	/** @param {string} text @param {Attachment[]} [files] @param {Queued[]} [queued] what waits then */
	ask(text, files = [], queued = this.conversation.queued) {
		return this.#answer(() => {
			const {conversation} = this;
			conversation.queued = queued;
			this.#settleOpenCalls();
			const given = [...files, ...this.#takeWords()];
			conversation.title ||= (text || files[0].name).replace(/\s+/g, " ").slice(0, MAX_TITLE_CHARS);
			const entry = {message: {role: "user", content: text}, ...(given.length && {files: given})};
			conversation.entries.push(entry);
			this.view.finish();
			this.view.question(entry);
		});
	}

	/** What apps tell the model with the next question. */
	#takeWords() {
		const all = [...this.words.values()];
		for (const app of all) app.unsay();
		return all.filter(({root}) => this.view.root.contains(root)).map(({word}) => word);
	}

	/** Go on where the conversation stands; what has broken off is said anew, and all else stays, with its apps. */
	answer = () => {
		const {entries} = this.conversation;
		if (entries.at(-1)?.part) this.#reask(() => entries.pop());
		else this.#answer(() => this.view.finish());
	};

	/** @param {Entry} entry @param {string} text */
	edit(entry, text) {
		this.#reask(() => {
			this.#settleOpenCalls();
			const {entries} = this.conversation;
			const index = entries.indexOf(entry);
			const hasWritten = entriesToKeep(this.conversation, index) > index;
			if (hasWritten) this.page.notify(t("keptPurchase"));
			const message = {role: "user", content: text};
			entries.splice(hasWritten ? entries.length : index, Infinity, {...entry, message});
		});
	}

	regenerate() {
		const {entries} = this.conversation;
		const question = entries.findLastIndex(({message}) => message.role === "user");
		this.#reask(() => {
			if (!entries.splice(entriesToKeep(this.conversation, question + 1)).length) return;
			if (!entries[question + 1]) delete entries[question]?.usage;
		});
	}

	/** @param {string} id @param {boolean} yes @param {Decision} [how] */
	decide(id, yes, {forEver = false, total = null} = {}) {
		const {conversation} = this;
		const {approvals, calls} = conversation;
		if (id in approvals) return;
		approvals[id] = yes;
		calls[id].confirmed = total === null ? null : {total};
		if (yes && forEver) allowForEver(calls[id]);
		this.#goOn(id);
	}

	/** Other arguments for a call that waits: another stands for it, which waits in its place. @param {string} id @param {Params} args */
	change(id, args) {
		const {conversation} = this;
		if (id in conversation.approvals) return;
		if (this.answering) return this.#atEnd(() => this.change(id, args));
		conversation.edits = {[id]: args};
		this.answer();
	}

	/** What the server of a call has asked is answered. @type {(id: string, question: Question, answer: Answer) => void} */
	respond(id, question, answer) {
		if (question.answer) return;
		Object.assign(question, {answer, content: answer.content ?? question.content, code: null});
		this.#goOn(id);
	}

	/** The card is there before the answer has ended. @param {() => void} press */
	#atEnd(press) {
		this.#pressed = press;
	}

	/** Once all is decided that waits. @param {string} id of the call about which something was */
	#goOn(id) {
		const {conversation} = this;
		const {approvals, calls} = conversation;
		this.save();
		const othersWait = standing(conversation) === "waiting";
		const isAnswering = this.answering !== null;
		for (const open of openCalls(conversation)) {
			const {waiting, questions = []} = calls[open];
			const isHeld = othersWait || (isAnswering && waiting);
			calls[open].chosen = isHeld && (approvals[open] || (othersWait && questions.length));
		}
		this.#isDue = !othersWait && isAnswering;
		if (othersWait || this.#isDue) this.view.card(id);
		else this.answer();
	}

	/** Make the same call again, at once if its outcome is unknown, else once it is confirmed. @param {string} id */
	repeat(id) {
		if (this.answering) return this.#atEnd(() => this.repeat(id));
		const {conversation} = this;
		const entries = entriesBefore(conversation, id);
		if (!entries) return;
		const call = conversation.calls[id];
		conversation.entries = entries;
		if (call.unknown) conversation.approvals[id] = true;
		else delete conversation.approvals[id];
		const none = {result: undefined, isError: false, unknown: false, code: null, at: undefined};
		Object.assign(call, none, {waiting: !call.unknown});
		if (!call.waiting) return this.#reask(() => {});
		this.save();
		this.show();
	}

	/** Say how it stands, and offer what leads on. @param {TurnEnd} end */
	explain({reason, detail = "", failure}) {
		const state = standing(this.conversation);
		const stopped = reason === "stopped";
		if (reason === "error") this.view.error(detail, this.answer, failure);
		else if (reason === "rounds") this.view.note(t("rounds"), this.answer);
		else if (state === "cut") this.view.note(t(stopped ? "stopped" : "interrupted"), this.answer);
		else if (stopped && state === "whole") this.view.note(t("stopped"));
	}

	/** A new question ends what is open: what waits is refused, what was interrupted stays unknown. */
	#settleOpenCalls() {
		const {approvals, calls, entries} = this.conversation;
		for (const id of openCalls(this.conversation)) {
			const state = callState(this.conversation, id);
			if (state === "waiting") approvals[id] = false;
			if (state !== "unknown" && state !== "asking") continue;
			calls[id].questions = [];
			const error = {code: "outcome_unknown", params: {}};
			const result = t("unknownText");
			Object.assign(calls[id], {result, isError: true, unknown: true, ...error});
			entries.push({message: {role: "tool", tool_call_id: id, content: ERROR + result, error}});
		}
	}

	/** @param {() => void} change to the conversation, before it is sent */
	async #answer(change) {
		if (this.answering) return;
		const controller = new AbortController();
		const {signal} = controller;
		this.answering = controller;
		change();
		const {conversation} = this;
		conversation.at = Date.now();
		// What is confirmed may run from now on, whatever the page will see of it.
		for (const id of openCalls(conversation))
			if (conversation.approvals[id]) conversation.calls[id].at ??= conversation.at;
		this.save();
		this.view.begin();
		this.page.begun(this);
		const lists = {always: listedTools("always"), askFirst: toolsThatAsk(), off: switchedOff()};
		const follow = () => this.follow(conversation, this.view, this.save, signal, lists);
		const end = await followThrough(conversation, follow, signal);
		this.answering = null;
		this.save(); // only now do the other tabs hear of it
		this.view.finish();
		const isDecided = standing(conversation) !== "waiting";
		const [isDue, pressed] = [this.#isDue && isDecided, this.#pressed];
		this.#isDue = false;
		this.#pressed = null;
		if (isDue) return this.answer();
		if (end.reason === "next") controller.abort();
		const goesOn = ["stop", "rounds", "next"].includes(end.reason) && isDecided;
		const isNext = goesOn && conversation.queued?.length;
		if (!isNext) this.explain(end);
		this.page.ended(this, end.reason);
		pressed?.();
		if (isNext) this.askNext();
	}

	/** @param {() => unknown} change */
	#reask(change) {
		this.#answer(() => {
			change();
			this.view.render();
		});
	}
}
