// Conversations out of a file, which anybody may have written: each is built anew from what is known of it. Nothing in it
// goes on by itself, is allowed, or can be run again; what waited in it is over.
import {openCalls} from "./call-states.js";
import {ERROR} from "./conversation-controller.js";
import {newConversation} from "./conversations.js";
import {failureText, t} from "./i18n.js";
import {parseJson} from "./tool-result.js";

/** @import {Conversations} from "./conversations.js" */
/** @typedef {any} Given any: what JSON may hold */

const MAX_FILE_BYTES = 200 * 2 ** 20;
const MAX_TITLE_CHARS = 120;
const ID = /^[\w.:-]{1,100}$/;
const PICTURE = /^data:image\/(png|jpeg|webp|gif);base64,[\w+/=]*$/;
const ROLES = ["user", "assistant", "tool"];
// The server's HTML goes through the browser's sanitizer when it is shown; where there is none, the text is shown.
const CAN_SANITIZE = Boolean(globalThis.Sanitizer);

/** @param {unknown} must hold */
function check(must) {
	if (!must) throw new TypeError();
}

/** Those of these fields that are of this type. @param {Given} given @param {string} type @param {string[]} names */
const pick = (given, type, names) =>
	Object.fromEntries(names.filter(name => typeof given?.[name] === type).map(name => [name, given[name]]));

/** @param {Given} given */
const listOf = given => (Array.isArray(given) ? given : []);

/** @param {Given} given */
const usageFrom = given => pick(given, "number", ["input", "output", "cost", "window"]);

/** @param {Given} given @returns {Failure} */
const failureFrom = given => ({
	...pick(given, "string", ["code"]),
	params: pick(given, "object", ["params"]).params ?? {},
});

/** @param {Given} given */
const fileFrom = given => ({
	...{
		name: "",
		size: 0,
		...pick(given, "string", ["name", "text", "about"]),
		...pick(given, "number", ["size"]),
	},
	...(PICTURE.test(given?.url) && {url: given.url}),
});

/** @param {Given} given @returns {ToolCall} */
function askedFrom(given) {
	const {id, function: {name, arguments: text} = /** @type {Given} */ ({})} = given;
	check(ID.test(id) && !(id in {}) && typeof name === "string" && typeof text === "string");
	return {id, function: {name, arguments: text}};
}

/** @param {Given} given @param {Set<string>} ids of the calls before it @returns {Message} */
function messageFrom({role, content, tool_calls: asked, tool_call_id: id, error, notes, compacted}, ids) {
	check(ROLES.includes(role) && (content === null || ["string", "undefined"].includes(typeof content)));
	check(role !== "tool" || ids.has(id));
	const calls = role === "assistant" ? listOf(asked).map(askedFrom) : [];
	for (const call of calls) ids.add(call.id);
	return {
		role,
		content: content ?? "",
		...(calls.length && {tool_calls: calls}),
		...(role === "tool" && {tool_call_id: id}),
		...(error && {error: failureFrom(error)}),
		...(notes && {notes: listOf(notes).map(failureFrom)}),
		...(compacted && {compacted}),
	};
}

/** @param {Given} given @param {Set<string>} ids @param {boolean} canSanitize @returns {Entry} */
const entryFrom = (given, ids, canSanitize) => ({
	message: messageFrom(given.message, ids),
	...pick(given, "string", canSanitize ? ["html", "thoughts"] : ["thoughts"]),
	...(given.files && {files: listOf(given.files).map(fileFrom)}),
	...(given.usage && {usage: /** @type {Usage} */ (usageFrom(given.usage))}),
	...(given.part === true && {part: true}),
});

/** Its arguments are those of the message. @param {Given} given @param {ToolCall} asked @returns {Call} */
const callFrom = (given, {function: {name, arguments: raw}}) => ({
	...{server: "", tool: name},
	...pick(given, "string", ["server", "tool", "title", "result", "code"]),
	...pick(given, "boolean", ["mended", "readOnly", "isError", "unknown", "replayed", "auto", "isPurchase"]),
	...pick(given, "number", ["ms"]),
	...pick(given, "object", ["params", "stock"]),
	...(given?.media && {media: listOf(given.media).map(mediaFrom)}),
	...{raw, args: parseJson(raw) ?? raw, imported: true},
});

/** @param {Given} given */
const mediaFrom = given => ({
	mime_type: "",
	data: "",
	...pick(given, "string", ["mime_type", "data", "uri", "name"]),
});

/** What has no result gets one: it was not run, unless it may have been. @param {Conversation} conversation @param {Given} given */
function settle(conversation, given) {
	for (const id of openCalls(conversation)) {
		const mayHaveRun = given.approvals?.[id] === true || given.calls?.[id]?.auto || given.calls?.[id]?.at;
		const error = {code: mayHaveRun ? "outcome_unknown" : "stopped_unsent", params: {}};
		const result = failureText({...error, detail: t("unknownText")});
		Object.assign(conversation.calls[id], error, {result, isError: true, unknown: Boolean(mayHaveRun)});
		const message = {role: "tool", tool_call_id: id, content: ERROR + result, error};
		conversation.entries.push({message});
	}
}

/** @param {Given} given @returns {Conversation} */
export function conversationFrom(given, canSanitize = CAN_SANITIZE) {
	/** @type {Set<string>} */
	const ids = new Set();
	check(Array.isArray(given?.entries) && given.entries.length);
	/** @type {Entry[]} */
	const entries = given.entries.map((/** @type {Given} */ entry) => entryFrom(entry, ids, canSanitize));
	const asked = entries.flatMap(({message}) => message.tool_calls ?? []);
	const of = (/** @type {string} */ id) => (Object.hasOwn(given.calls ?? {}, id) ? given.calls[id] : {});
	const conversation = {
		id: ID.test(given.id) ? given.id : "",
		title: `${given.title ?? ""}`.slice(0, MAX_TITLE_CHARS),
		at: Math.min(Number(given.at) || 0, Date.now()),
		entries,
		calls: Object.fromEntries(asked.map(call => [call.id, callFrom(of(call.id), call)])),
		approvals: Object.fromEntries(
			[...ids].filter(id => given.approvals?.[id] === false).map(id => [id, false]),
		),
		...pick(given, "boolean", ["pinned"]),
		...pick(given, "number", ["full"]),
		...(given.usage && {usage: /** @type {Usage} */ (usageFrom(given.usage))}),
	};
	settle(conversation, given);
	return conversation;
}

/** Those of a file, and why others are not. @type {(name: string, text: string) => {read: Conversation[], problems: string[]}} */
export function conversationsFrom(name, text) {
	/** @type {Given} */
	const given = parseJson(text);
	if (given === undefined) return {read: [], problems: [t("importNotJson", {name})]};
	const list = Array.isArray(given?.conversations) ? given.conversations : [given];
	/** @type {Conversation[]} */
	const read = [];
	/** @type {string[]} */
	const problems = [];
	for (const [i, one] of list.entries()) {
		try {
			read.push(conversationFrom(one));
		} catch {
			const which = typeof one?.title === "string" ? one.title.slice(0, MAX_TITLE_CHARS) : `${i + 1}`;
			problems.push(t(list.length > 1 ? "importBroken" : "importForeign", {name, title: which}));
		}
	}
	return {read, problems};
}

/** @param {Conversation} conversation */
const wordsOf = ({entries}) => JSON.stringify(entries.map(({message}) => [message.role, message.content]));

/** @param {Conversations} conversations @param {Conversation} conversation */
function add(conversations, conversation) {
	const known = conversations.byId.get(conversation.id);
	if (known && wordsOf(known) === wordsOf(conversation)) return false;
	if (known || !conversation.id) conversation.id = newConversation().id;
	conversations.save(conversation);
	return true;
}

/** Kept beside what is there: nothing is replaced, and what is there already not kept twice. @param {File[]} files @param {Conversations} conversations */
export async function importFiles(files, conversations) {
	/** @type {string[]} */
	const said = [];
	/** @type {Conversation[]} */
	const added = [];
	for (const file of files) {
		// What is too large is none of ours, whatever it says.
		const text = file.size > MAX_FILE_BYTES ? "0" : await file.text();
		const {read, problems} = conversationsFrom(file.name, text);
		said.push(...problems);
		for (const conversation of read) {
			if (add(conversations, conversation)) added.push(conversation);
			else said.push(t("importedBefore", {title: conversation.title}));
		}
	}
	return {added, said: [t("imported", {n: added.length}), ...new Set(said)]};
}
