// What the browser keeps: choices in localStorage, conversations in IndexedDB. Both may fail at any time.

function readSettings() {
	try {
		return {...JSON.parse(localStorage.getItem("settings"))};
	} catch {
		return {};
	}
}

export const settings = readSettings();

export function set(key, value) {
	settings[key] = value;
	try {
		localStorage.setItem("settings", JSON.stringify(settings));
	} catch {} // then it lasts as long as the page
}

/** Lists of tools: `always` allowed, `askFirst`. */
export const listed = key => [settings[key] ?? []].flat();
export const enlist = (key, name, on) => set(key, [...listed(key).filter(other => other !== name), on ? name : []].flat());

const settled = request =>
	new Promise((onsuccess, onerror) => Object.assign(request, {onsuccess, onerror})).then(() => request.result);

function openDatabase() {
	const request = indexedDB.open("product-mcp", 1);
	request.onupgradeneeded = () => request.result.createObjectStore("conversations", {keyPath: "id"});
	return settled(request);
}

const isUsable = item => Array.isArray(item.entries) && item.entries.every(entry => typeof entry?.message?.role === "string");

export const newConversation = () => ({
	id: `${Date.now()}-${Math.random()}`,
	title: "",
	at: Date.now(),
	entries: [], // {message, html}: OpenAI messages as they came, and how an answer looked
	calls: {}, // by id, as are the approvals
	approvals: {},
});

/** All in memory, written through to IndexedDB; `onproblem` hears when that fails. */
export class Conversations {
	items = new Map();
	#db;

	constructor(onproblem) {
		this.onproblem = onproblem;
	}

	async open() {
		try {
			this.#db = await openDatabase();
			const kept = await settled(this.#store("readonly").getAll());
			for (const item of kept.filter(isUsable)) this.items.set(item.id, {...newConversation(), ...item});
		} catch {
			this.onproblem();
		}
	}

	#store = mode => this.#db.transaction("conversations", mode).objectStore("conversations");

	newest = () => [...this.items.values()].sort((a, b) => b.at - a.at);

	save(item) {
		this.items.set(item.id, item);
		this.#write("put", item);
	}

	remove(id) {
		this.items.delete(id);
		this.#write("delete", id);
	}

	async #write(method, what) {
		try {
			if (this.#db) await settled(this.#store("readwrite")[method](what));
		} catch {
			this.onproblem();
		}
	}
}
