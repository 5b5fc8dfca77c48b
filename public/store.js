// What the browser keeps: choices in localStorage, conversations in IndexedDB. Both may fail at any time.

const OPEN_MS = 2000; // another tab may block the database for ever

function readSettings() {
	try {
		return { ...JSON.parse(localStorage.getItem("settings")) };
	} catch {
		return {};
	}
}

export const settings = readSettings();

export function set(key, value) {
	settings[key] = value;
	try {
		localStorage.setItem("settings", JSON.stringify(settings));
	} catch {
		// Forbidden or full: the choice lasts as long as the page.
	}
}

/** The writing tools, as "server/tool", that run without asking. */
export const always = () => (Array.isArray(settings.always) ? settings.always : []);
export const setAlways = (name, on) => set("always", [...always().filter((other) => other !== name), ...(on ? [name] : [])]);

const settled = (request) =>
	new Promise((resolve, reject) => {
		request.onsuccess = () => resolve(request.result);
		request.onerror = () => reject(request.error);
	});

function openDatabase() {
	const request = indexedDB.open("product-mcp", 1);
	request.onupgradeneeded = () => request.result.createObjectStore("conversations", { keyPath: "id" });
	const late = new Promise((_, reject) => setTimeout(reject, OPEN_MS, new Error("IndexedDB does not open")));
	return Promise.race([settled(request), late]);
}

const isUsable = (item) => Array.isArray(item.entries) && item.entries.every((entry) => typeof entry?.message?.role === "string");

export const newConversation = () => ({
	id: `${Date.now()}-${Math.random()}`,
	title: "",
	at: Date.now(),
	entries: [], // {message, html?}: OpenAI messages as they came, and how an answer looked
	calls: {}, // by id: what the page knows of a tool call
	approvals: {}, // by id: the user's word
});

/** All conversations, in memory, written through to IndexedDB while that works; `onproblem` hears when it does not. */
export class Conversations {
	items = new Map();
	#db = null;
	#onproblem;

	constructor(onproblem) {
		this.#onproblem = onproblem;
	}

	async open() {
		try {
			this.#db = await openDatabase();
			const kept = await settled(this.#store("readonly").getAll());
			for (const item of kept.filter(isUsable)) this.items.set(item.id, { ...newConversation(), ...item });
		} catch {
			this.#onproblem();
		}
	}

	#store(mode) {
		return this.#db.transaction("conversations", mode).objectStore("conversations");
	}

	newest = () => [...this.items.values()].sort((a, b) => b.at - a.at);

	save(item) {
		this.items.set(item.id, item);
		return this.#write("put", item);
	}

	remove(id) {
		this.items.delete(id);
		return this.#write("delete", id);
	}

	async #write(method, what) {
		try {
			if (this.#db) await settled(this.#store("readwrite")[method](what));
		} catch {
			this.#onproblem();
		}
	}
}
