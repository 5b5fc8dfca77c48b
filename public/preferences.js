// What the user has chosen, kept in localStorage under the name "settings".

/** @typedef {"theme" | "lang" | "current" | "tab" | "salesBy"} Choice */
/** @typedef {"always" | "askFirst"} ToolList tools that run without asking, and tools that ask although they only read */
/** @typedef {{[name in Choice]?: string} & {[name in ToolList]?: string[]}} Preferences */

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

/** @param {ToolList} list @returns {string[]} */
export const listedTools = list => [preferences[list] ?? []].flat();

/** @param {ToolList} list @param {string} name @param {boolean} isListed */
export function listTool(list, name, isListed) {
	const others = listedTools(list).filter(other => other !== name);
	setPreference(list, isListed ? [...others, name] : others);
}
