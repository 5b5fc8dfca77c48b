// What the browser keeps: small settings in localStorage, conversations in IndexedDB. Both may fail at any time.

const DATABASE = "product-mcp";
const STORE = "conversations";
const OPEN_MS = 2000; // another tab may block an upgrade for ever

function readSettings() {
  try {
    const found = JSON.parse(localStorage.getItem("settings"));
    return found && typeof found === "object" ? found : {};
  } catch {
    return {};
  }
}

const values = readSettings();

export const settings = {
  get: (key) => values[key],
  set(key, value) {
    values[key] = value;
    try {
      localStorage.setItem("settings", JSON.stringify(values));
    } catch {
      // Forbidden or full: the choice then lasts as long as the page.
    }
  },
  /** Names of the writing tools, as "server/tool", that run without asking. */
  always: () => (Array.isArray(values.always) ? values.always : []),
  setAlways(name, on) {
    this.set("always", [...this.always().filter((other) => other !== name), ...(on ? [name] : [])]);
  },
};

const settled = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

function openDatabase() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    settled(request).then(resolve, reject);
    setTimeout(() => reject(new Error("IndexedDB does not open")), OPEN_MS);
  });
}

const usable = (item) =>
  typeof item?.id === "string" &&
  Array.isArray(item.entries) &&
  item.entries.every((entry) => typeof entry?.message?.role === "string");

export function newConversation() {
  return { id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, title: "", at: Date.now(), entries: [], calls: {}, approvals: {} };
}

/** All conversations, in memory, written through to IndexedDB while that works. */
export class Conversations {
  items = new Map();
  #db = null;
  #channel = null;
  #onproblem;

  /** `onproblem` hears when nothing can be kept; `onchange(id)` when another tab wrote or removed one. */
  constructor(onproblem, onchange) {
    this.#onproblem = onproblem;
    this.onchange = onchange;
  }

  async open() {
    try {
      this.#db = await openDatabase();
      for (const item of await settled(this.#store("readonly").getAll())) if (usable(item)) this.#keep(item);
      this.#channel = new BroadcastChannel(DATABASE);
      this.#channel.onmessage = ({ data }) => this.#reload(data);
    } catch {
      this.#onproblem();
    }
  }

  #keep(item) {
    this.items.set(item.id, { ...item, calls: item.calls ?? {}, approvals: item.approvals ?? {} });
  }

  #store(mode) {
    return this.#db.transaction(STORE, mode).objectStore(STORE);
  }

  async #reload(id) {
    const item = await settled(this.#store("readonly").get(id)).catch(() => null);
    if (usable(item)) this.#keep(item);
    else this.items.delete(id);
    this.onchange(id);
  }

  newest() {
    return [...this.items.values()].sort((a, b) => b.at - a.at);
  }

  save(item) {
    this.items.set(item.id, item);
    return this.#write((store) => store.put(item), item.id);
  }

  remove(id) {
    this.items.delete(id);
    return this.#write((store) => store.delete(id), id);
  }

  async #write(change, id) {
    if (!this.#db) return;
    try {
      await settled(change(this.#store("readwrite")));
      this.#channel?.postMessage(id);
    } catch {
      this.#onproblem();
    }
  }
}
