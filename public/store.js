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

// Of tools: `always` allowed, `askFirst`.
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

const {locks} = navigator; // there are none where the page came over plain HTTP from elsewhere

/** Tells whether `work` ran: not while another tab is at this conversation. */
export async function alone(id, work) {
	const within = async lock => {
		if (lock) await work();
		return !!lock;
	};
	return locks ? locks.request(id, {ifAvailable: true}, within) : within(true);
}

export const isTaken = async id => !!(await locks?.query())?.held.some(({name}) => name === id);
export const untilFree = id => locks.request(id, () => {});

/**
 * All in memory, written through to IndexedDB: `onproblem` hears when that fails.
 * What another tab wrote is taken over, and `onchange` hears of it, unless `isOurs`: then this tab writes it all.
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
			this.#db = await openDatabase();
			const kept = await settled(this.#store("readonly").getAll());
			for (const item of kept.filter(isUsable)) this.#take(item);
			this.#tabs.onmessage = ({data}) => this.#adopt(data);
		} catch {
			this.onproblem();
		}
	}

	#take(item) {
		this.items.set(item.id, Object.assign(this.items.get(item.id) ?? newConversation(), item));
	}

	async #adopt(id) {
		const item = await settled(this.#store("readonly").get(id));
		if (this.isOurs(id)) return;
		if (item) this.#take(item);
		else this.items.delete(id);
		this.onchange(id);
	}

	#store = mode => this.#db.transaction("conversations", mode).objectStore("conversations");

	newest = () => [...this.items.values()].sort((a, b) => b.at - a.at);

	save(item) {
		this.items.set(item.id, item);
		this.#write("put", item, item.id);
	}

	remove(id) {
		this.items.delete(id);
		this.#write("delete", id);
	}

	async #write(method, what, id = what) {
		try {
			if (!this.#db) return;
			await settled(this.#store("readwrite")[method](what));
			this.#tabs.postMessage(id);
		} catch {
			this.onproblem();
		}
	}
}
