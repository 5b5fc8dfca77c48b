// What the browser keeps: conversations, in IndexedDB, which may fail at any time, and what is in no database yet.
import {t} from "./i18n.js";
import {isObject} from "./tool-result.js";

/** @typedef {(conversation: Conversation | undefined) => unknown} About */
/** @typedef {{onproblem: (problem: string) => void, onchange: About, isBusy: About}} Hooks whether this tab answers in it */

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const settled = request =>
	new Promise((resolve, reject) => {
		request.onsuccess = () => resolve(request.result);
		request.onerror = () => reject(request.error);
	});

/** What does not fit fails only at its end. @param {IDBTransaction} transaction @returns {Promise<void>} */
const ended = transaction =>
	new Promise((resolve, reject) => {
		transaction.oncomplete = () => resolve();
		transaction.onabort = () => reject(transaction.error);
	});

// What the browser keeps may be broken, or another version's.

/** @param {any} files any: storage may hold anything */
const areFiles = files => Array.isArray(files) && files.every(file => typeof file?.name === "string");

/** @param {any} entry any: storage may hold anything */
const isEntry = ({message, files = []}) =>
	typeof message.role === "string" && Array.isArray(message.tool_calls ?? []) && areFiles(files);

/** @param {any} stored any: storage may hold anything */
function isUsable({entries, title = "", calls = {}, approvals = {}}) {
	try {
		const all = [approvals, calls, ...Object.values(calls)];
		return entries.every(isEntry) && typeof title === "string" && all.every(isObject);
	} catch {
		return false; // null, or no list
	}
}
const uniqueId = () => `${Date.now()}-${Math.random()}`;

/** @param {Conversation} conversation */
export const titleOf = conversation => conversation.title || t("newChat");

/** @returns {Conversation} */
export const newConversation = () => ({
	id: uniqueId(),
	title: "",
	at: Date.now(),
	entries: [],
	calls: {},
	approvals: {},
});

/**
 * All conversations in memory, each change written through to IndexedDB.
 * Other tabs are told of an answer at its end, and take it over. Where two tabs answer in the same
 * conversation, both go on: the later one as a copy.
 */
export class Conversations {
	/** @type {Map<string, Conversation>} */
	byId = new Map();
	/** @type {IDBDatabase | null | undefined} null: there is none */
	#db;
	#tabs = new BroadcastChannel("conversations");
	#tab = uniqueId();
	#writes = 0;
	#isFull = false;
	/** @type {Map<Conversation, number>} what the database does not hold yet, with the last write of it */
	#unstored = new Map();

	/** @param {Hooks} hooks */
	constructor(hooks) {
		this.hooks = hooks;
	}

	async open() {
		addEventListener("pagehide", () => this.#leave());
		try {
			const request = indexedDB.open("product-mcp", 1);
			request.onupgradeneeded = () => request.result.createObjectStore("conversations", {keyPath: "id"});
			this.#db = await settled(request);
			const all = await settled(this.#table(this.#db, "readonly").getAll());
			for (const stored of all.filter(isUsable)) this.#take(stored);
			for (const id of idsOf("unstored")) this.#takeUnstored(id);
			for (const one of [...this.#unstored.keys()]) one.removed ? this.remove(one) : this.save(one);
			this.#tabs.onmessage = ({data}) => this.#adopt(data);
		} catch {
			this.#db ??= null;
			if (!this.#db) this.#unstored.clear();
			this.hooks.onproblem("notKept");
		}
	}

	/** Most recently continued first. */
	newest() {
		return [...this.byId.values()].sort((a, b) => b.at - a.at);
	}

	/** @param {Conversation} conversation */
	save(conversation) {
		this.byId.set(conversation.id, conversation);
		const isBusy = this.hooks.isBusy(conversation); // by the time that it is written, its answer may have ended
		this.#write(conversation, table => this.#put(table, conversation, isBusy));
	}

	/** @param {Conversation} conversation */
	remove(conversation) {
		conversation.removed = true; // its answer may still be ending
		this.byId.delete(conversation.id);
		this.#write(conversation, table => settled(table.delete(conversation.id)));
	}

	/** A write that has not ended may end with the page. */
	#leave() {
		for (const left of this.#unstored.keys()) keep("unstored", left.id, {...left, tab: this.#tab});
	}

	/** What was left before it was stored, unless another tab has written since. @param {string} id */
	#takeUnstored(id) {
		const {tab, ...left} = kept("unstored", id) ?? {};
		const version = this.byId.get(id)?.version;
		keep("unstored", id, null);
		if (!left.entries || (version !== left.version && !version?.startsWith(tab))) return;
		const conversation = this.#take({...left, version});
		if (left.removed) this.remove(conversation);
		else this.save(conversation);
	}

	/** @param {IDBDatabase} db @param {IDBTransactionMode} mode */
	#table(db, mode) {
		return db.transaction("conversations", mode).objectStore("conversations");
	}

	/** Merged into the object that views and controllers hold. @param {Conversation} stored */
	#take(stored) {
		const taken = Object.assign(this.byId.get(stored.id) ?? newConversation(), stored);
		this.byId.set(stored.id, taken);
		return taken;
	}

	/** @param {Conversation} conversation */
	async takeOver(conversation) {
		if (!this.#unstored.has(conversation)) await this.#adopt(conversation.id);
	}

	/** Take over what another tab has written. @param {string} id */
	async #adopt(id) {
		const {isBusy, onchange} = this.hooks;
		const conversation = this.byId.get(id);
		if (!this.#db || isBusy(conversation)) return; // what this tab holds is newer
		const stored = await settled(this.#table(this.#db, "readonly").get(id));
		if (isBusy(conversation) || (stored && stored.version === conversation?.version)) return;
		if (!stored) this.byId.delete(id);
		else if (isUsable(stored)) this.#take(stored);
		onchange(conversation);
	}

	/** @param {IDBObjectStore} table @param {Conversation} conversation @param {unknown} isBusy */
	async #put(table, conversation, isBusy) {
		const stored = await settled(table.get(conversation.id));
		if (stored && stored.version !== conversation.version) {
			if (!isBusy) return this.#adopt(conversation.id);
			this.#branchOff(conversation, stored);
		}
		const version = `${this.#tab} ${uniqueId()}`;
		await settled(table.put({...conversation, version}));
		await ended(table.transaction);
		conversation.version = version;
	}

	/** Another tab wrote first and keeps the id. @param {Conversation} conversation @param {Conversation} stored */
	#branchOff(conversation, stored) {
		this.byId.delete(conversation.id);
		this.#take(stored);
		conversation.id = uniqueId();
		this.byId.set(conversation.id, conversation);
		this.hooks.onproblem("twice");
	}

	/** @param {Conversation} conversation @param {(table: IDBObjectStore) => Promise<unknown>} change */
	async #write(conversation, change) {
		if (this.#db === null) return;
		const write = ++this.#writes;
		this.#unstored.set(conversation, write);
		if (!this.#db) return; // until there is one
		try {
			const {id} = conversation;
			await change(this.#table(this.#db, "readwrite"));
			this.#isFull = false;
			if (this.#unstored.get(conversation) === write) {
				this.#unstored.delete(conversation);
				keep("unstored", id, null); // the page was left, and is shown again
			}
			if (!this.hooks.isBusy(this.byId.get(id))) this.#tabs.postMessage(id);
		} catch {
			if (!this.#isFull) this.hooks.onproblem("notKept"); // once, until something fits again
			this.#isFull = true;
		}
	}
}

// What would be lost with the page: drafts, what is attached to them, edits, what has come of an answer, and conversations
// whose last write has not ended. In localStorage, which is written at once; where that is full or forbidden, in memory.

/** @typedef {"draft" | "files" | "edit" | "form" | "part" | "unstored"} Kind */

/** @type {Map<string, any>} any: as that of JSON */
const memory = new Map();
/** @type {Record<Kind, (value: any) => boolean>} any: storage may hold anything */
const isWhole = {
	draft: text => typeof text === "string",
	files: areFiles,
	edit: ({text}) => typeof text === "string",
	form: isObject,
	part: ({entry}) => isEntry(entry),
	unstored: isUsable,
};

/** Nothing is forgotten. @param {Kind} kind @param {string} id of the conversation @param {unknown} value @returns {boolean} whether it outlives the page */
export function keep(kind, id, value) {
	const key = `${kind} ${id}`;
	memory.delete(key);
	try {
		localStorage.removeItem(key); // else an older one would stay where the new one does not fit
		if (value) localStorage.setItem(key, JSON.stringify(value));
		return true;
	} catch {
		if (value) memory.set(key, value);
		return !value;
	}
}

/** @param {Kind} kind @param {string} id @returns {any} any: as that of JSON */
export function kept(kind, id) {
	const key = `${kind} ${id}`;
	try {
		const value = memory.get(key) ?? JSON.parse(localStorage.getItem(key) ?? "null");
		return isWhole[kind](value) ? value : null;
	} catch {
		return null; // nothing is there, or something else
	}
}

/** What is typed about a call or a question, and not sent yet. @param {string} id of the conversation @param {string} about @returns {Typed} */
export const typedAbout = (id, about) => ({
	begun: kept("form", id)?.[about],
	typed: values => keep("form", id, {...kept("form", id), [about]: values}),
});

/** @type {Map<string, unknown>} */
const held = new Map();

/** What is typed into one of the page's own forms, for as long as the page is open. @param {string} name @returns {Typed} */
export const heldIn = name => ({begun: held.get(name), typed: values => held.set(name, values)});

/** @param {string} id of a conversation that is removed */
export function forget(id) {
	for (const kind of /** @type {const} */ (["draft", "files", "edit", "form", "part"])) keep(kind, id, null);
}

/** @param {Kind} kind @returns {string[]} the ids of the conversations of which there is one */
function idsOf(kind) {
	try {
		const keys = Object.keys(localStorage).filter(key => key.startsWith(`${kind} `));
		return keys.map(key => key.slice(kind.length + 1));
	} catch {
		return [];
	}
}
