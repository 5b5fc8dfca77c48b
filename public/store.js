// What the browser keeps: choices in localStorage, conversations in IndexedDB. Both may fail at any time.

export const {settings} = window; // read by early.js

export function set(key, value) {
	settings[key] = value;
	try {
		localStorage.settings = JSON.stringify(settings);
	} catch {} // then it lasts as long as the page
}

// Of tools: `always` allowed, `askFirst`.
export const listed = key => [settings[key] ?? []].flat();
export const enlist = (key, name, on) => set(key, [...listed(key).filter(other => other !== name), on ? name : []].flat());

const settled = request =>
	new Promise((onsuccess, onerror) => Object.assign(request, {onsuccess, onerror})).then(() => request.result);

const isUsable = item => Array.isArray(item.entries) && item.entries.every(entry => typeof entry?.message?.role === "string");
const unique = () => `${Date.now()}-${Math.random()}`;

export const newConversation = () => ({
	id: unique(),
	title: "",
	at: Date.now(),
	entries: [], // {message, html}: OpenAI messages as they came, and how an answer looked
	calls: {}, // by id, as are the approvals
	approvals: {},
});

/**
 * All in memory, written through to IndexedDB: `onproblem` hears when that fails.
 * What another tab wrote is taken over, and `onchange` hears of it; of an answer, at its end.
 * Where both tabs answer (`isBusy`), both go on: the later one as a copy.
 */
export class Conversations {
	items = new Map();
	#db;
	#tabs = new BroadcastChannel("conversations");

	constructor(hooks) {
		Object.assign(this, hooks);
	}

	async open() {
		try {
			const request = indexedDB.open("product-mcp", 1);
			request.onupgradeneeded = () => request.result.createObjectStore("conversations", {keyPath: "id"});
			this.#db = await settled(request);
			for (const item of await settled(this.#store("readonly").getAll())) this.#take(item);
			this.#tabs.onmessage = ({data}) => this.#adopt(data);
		} catch {
			this.onproblem("notKept");
		}
	}

	#take(item) {
		if (isUsable(item)) this.items.set(item.id, Object.assign(this.items.get(item.id) ?? newConversation(), item));
	}

	async #adopt(id) {
		const item = this.items.get(id);
		const kept = !this.isBusy(item) && (await settled(this.#store("readonly").get(id)));
		if (this.isBusy(item)) return; // what it holds is newer
		if (kept) this.#take(kept);
		else this.items.delete(id);
		this.onchange(item);
	}

	#store = mode => this.#db.transaction("conversations", mode).objectStore("conversations");

	newest = () => [...this.items.values()].sort((a, b) => b.at - a.at);

	save(item) {
		this.items.set(item.id, item);
		this.#write(item.id, store => this.#put(store, item));
	}

	remove(id) {
		this.items.delete(id);
		this.#write(id, store => settled(store.delete(id)));
	}

	async #put(store, item) {
		const kept = await settled(store.get(item.id));
		if (kept && kept.version !== item.version) { // another tab was faster
			if (!this.isBusy(item)) return this.#adopt(item.id);
			this.items.delete(item.id);
			this.#take(kept);
			this.items.set((item.id = unique()), item);
			this.onproblem("twice");
		}
		const version = unique();
		await settled(store.put({...item, version}));
		item.version = version;
	}

	async #write(id, change) {
		try {
			if (!this.#db) return;
			await change(this.#store("readwrite"));
			if (!this.isBusy(this.items.get(id))) this.#tabs.postMessage(id);
		} catch {
			this.onproblem("notKept");
		}
	}
}
