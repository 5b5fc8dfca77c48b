// What the user has chosen, kept in localStorage under the name "settings".

/** @typedef {"theme" | "lang" | "current" | "tab" | "salesBy"} Choice */
/** @typedef {"always" | "askFirst"} ToolList tools that run without asking, and tools that ask although they only read */
/** @typedef {{server: string, tool: string, fingerprint?: string}} ListedTool with another fingerprint it is another tool */
/** @typedef {{[name in Choice]?: string} & {[name in ToolList]?: ListedTool[]}} Preferences */

/** @type {Preferences} read by first-paint.js */
export const preferences = globalThis.preferences ?? {};

/**
 * @template {keyof Preferences} K
 * @param {K} key @param {Preferences[K]} value
 */
export function setPreference(key, value) {
	preferences[key] = value;
	try {
		localStorage.settings = JSON.stringify(preferences);
	} catch {} // then it lasts as long as the page
}

/** @param {ListedTool} a @param {ListedTool} b */
const isSameName = (a, b) => a.server === b.server && a.tool === b.tool;

/** What the back end would refuse is dropped, such as the texts of older versions. @param {ToolList} list */
export function listedTools(list) {
	const fields = list === "always" ? ["server", "tool", "fingerprint"] : ["server", "tool"];
	/** @param {any} entry any: storage may hold anything */
	const isUsable = entry => fields.every(field => typeof entry?.[field] === "string");
	return [preferences[list] ?? []].flat().filter(isUsable);
}

/** @param {ToolList} list @param {ListedTool} tool @param {boolean} isListed */
export function listTool(list, {server, tool, fingerprint}, isListed) {
	const listed = list === "always" ? {server, tool, fingerprint} : {server, tool};
	const others = listedTools(list).filter(other => !isSameName(other, listed));
	setPreference(list, isListed ? [...others, listed] : others);
}

/** @param {ListedTool[]} listed @param {ListedTool} tool */
export const isListed = (listed, tool) =>
	listed.some(one => isSameName(one, tool) && (one.fingerprint ?? tool.fingerprint) === tool.fingerprint);
