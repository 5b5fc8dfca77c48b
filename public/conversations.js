// The conversations that the browser keeps, in IndexedDB, which may fail at any time.
import {t} from "./i18n.js";

/** @typedef {(conversation: Conversation | undefined) => unknown} About */
/** @typedef {{onproblem: (problem: string) => void, onchange: About, isBusy: About}} Hooks whether this tab answers in it */

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const settled = request =>
	new Promise((resolve, reject) => {
		request.onsuccess = () => resolve(request.result);
		request.onerror = () => reject(request.error);
	});

/** @param {Conversation} stored */
const isUsable = ({entries}) =>
	Array.isArray(entries) && entries.every(entry => typeof entry?.message?.role === "string");
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
	/** @type {IDBDatabase | undefined} */
	#db;
	#tabs = new BroadcastChannel("conversations");

	/** @param {Hooks} hooks */
	constructor(hooks) {
		this.hooks = hooks;
	}

	async open() {
		try {
			const request = indexedDB.open("product-mcp", 1);
			request.onupgradeneeded = () => request.result.createObjectStore("conversations", {keyPath: "id"});
			this.#db = await settled(request);
			for (const stored of await settled(this.#table(this.#db, "readonly").getAll())) this.#take(stored);
			this.#tabs.onmessage = ({data}) => this.#adopt(data);
		} catch {
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
		this.#write(conversation.id, table => this.#put(table, conversation));
	}

	/** @param {string} id */
	remove(id) {
		this.byId.delete(id);
		this.#write(id, table => settled(table.delete(id)));
	}

	/** @param {IDBDatabase} db @param {IDBTransactionMode} mode */
	#table(db, mode) {
		return db.transaction("conversations", mode).objectStore("conversations");
	}

	/** Merged into the object that views and controllers hold. @param {Conversation} stored */
	#take(stored) {
		if (!isUsable(stored)) return;
		this.byId.set(stored.id, Object.assign(this.byId.get(stored.id) ?? newConversation(), stored));
	}

	/** Take over what another tab has written. @param {string} id */
	async #adopt(id) {
		const {isBusy, onchange} = this.hooks;
		const conversation = this.byId.get(id);
		if (!this.#db || isBusy(conversation)) return; // what this tab holds is newer
		const stored = await settled(this.#table(this.#db, "readonly").get(id));
		if (isBusy(conversation)) return;
		if (stored) this.#take(stored);
		else this.byId.delete(id);
		onchange(conversation);
	}

	/** @param {IDBObjectStore} table @param {Conversation} conversation */
	async #put(table, conversation) {
		const stored = await settled(table.get(conversation.id));
		if (stored && stored.version !== conversation.version) {
			if (!this.hooks.isBusy(conversation)) return this.#adopt(conversation.id);
			this.#branchOff(conversation, stored);
		}
		const version = uniqueId();
		await settled(table.put({...conversation, version}));
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

	/** @param {string} id @param {(table: IDBObjectStore) => Promise<unknown>} change */
	async #write(id, change) {
		if (!this.#db) return;
		try {
			await change(this.#table(this.#db, "readwrite"));
			if (!this.hooks.isBusy(this.byId.get(id))) this.#tabs.postMessage(id);
		} catch {
			this.hooks.onproblem("notKept");
		}
	}
}
