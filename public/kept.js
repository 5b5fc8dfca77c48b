// What is in no database yet and would be lost with the page: drafts, what is attached to them, edits, what has come of
// an answer, and conversations whose last write has not ended. In localStorage, which is written at once; where that is
// full or forbidden, in memory.

/** @typedef {"draft" | "files" | "edit" | "part" | "unstored"} Kind */

/** @type {Map<string, any>} any: as that of JSON */
const memory = new Map();

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
		return memory.get(key) ?? JSON.parse(localStorage.getItem(key) ?? "null");
	} catch {
		return null;
	}
}

/** @param {string} id of a conversation that is removed */
export function forget(id) {
	for (const kind of /** @type {const} */ (["draft", "files", "edit", "part"])) keep(kind, id, null);
}

/** @param {Kind} kind @returns {string[]} the ids of the conversations of which there is one */
export function idsOf(kind) {
	try {
		const keys = Object.keys(localStorage).filter(key => key.startsWith(`${kind} `));
		return keys.map(key => key.slice(kind.length + 1));
	} catch {
		return [];
	}
}
