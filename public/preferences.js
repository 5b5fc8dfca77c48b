// What the user has chosen, kept in localStorage under the name "settings"; and the window where that is done.
import {$, bindRadios, button, focusIn, h} from "./elements.js";
import {visible} from "./exact-text.js";
import {setLanguage, t} from "./i18n.js";
import {PURCHASE} from "./purchase.js";

/** @type {Preferences} read by first-paint.js */
export const preferences = globalThis.preferences ?? {};

const LISTS = /** @type {const} */ (["always", "askFirst", "asked", "off", "offPrompts", "apps"]);
const MARKED = ["always", "apps"]; // these hold while the tool, or the server, is what it was

let isStored = true; // else it lasts as long as the page

/** As another tab may have left it. @returns {Preferences} */
function stored() {
	try {
		return {...JSON.parse(localStorage.settings)};
	} catch {
		return {};
	}
}

/** What another tab has chosen meanwhile stays chosen. @template {keyof Preferences} K @param {K} key @param {Preferences[K]} value */
export function setPreference(key, value) {
	readLists();
	preferences[key] = value;
	try {
		localStorage.settings = JSON.stringify({...preferences, ...stored(), [key]: value});
	} catch {
		isStored = false;
	}
}

/** What was allowed, taken back or switched off in another tab counts here, too. */
function readLists() {
	const now = isStored ? stored() : {};
	for (const list of LISTS) if (Object.hasOwn(now, list)) preferences[list] = now[list];
}

/** @param {ListedTool} a @param {ListedTool} b */
const isSameName = (a, b) => a.server === b.server && a.tool === b.tool;

/** What the back end would refuse is dropped, such as the texts of older versions. @param {ToolList} list */
export function listedTools(list) {
	readLists();
	const fields = MARKED.includes(list) ? ["server", "tool", "fingerprint"] : ["server", "tool"];
	/** @param {any} entry any: storage may hold anything */
	const isUsable = entry => fields.every(field => typeof entry?.[field] === "string");
	return [preferences[list] ?? []].flat().filter(isUsable);
}

/** @param {ToolList} list @param {ListedTool} tool @param {boolean} isListed */
export function listTool(list, {server, tool, fingerprint}, isListed) {
	const listed = MARKED.includes(list) ? {server, tool, fingerprint} : {server, tool};
	const others = listedTools(list).filter(other => !isSameName(other, listed));
	setPreference(list, isListed ? [...others, listed] : others);
	sayWhetherAsked();
}

/** The line below the composer says whether purchases ask, as it is. */
function sayWhetherAsked() {
	const line = globalThis.document?.querySelector(".fine");
	const isAllowed = listedTools("always").some(({tool}) => tool === PURCHASE);
	line?.setAttribute("data-t", isAllowed ? "fineAllowed" : "fine");
	if (line) line.textContent = t(isAllowed ? "fineAllowed" : "fine");
}

/** @param {ListedTool[]} listed @param {ListedTool} tool */
export const isListed = (listed, tool) =>
	listed.some(one => isSameName(one, tool) && (one.fingerprint ?? tool.fingerprint) === tool.fingerprint);

/** Let a tool run without asking for as long as it stays what it is now. @param {ListedTool} tool */
export function allowForEver(tool) {
	listTool("always", tool, true);
	listTool("askFirst", tool, false);
}

/** Tools that ask whatever they claim: those that the user picked, and those that have asked here before. */
export function toolsThatAsk() {
	const always = listedTools("always");
	const asked = listedTools("asked").filter(tool => !always.some(other => isSameName(other, tool)));
	const picked = listedTools("askFirst");
	return [...picked, ...asked.filter(tool => !isListed(picked, tool))];
}

/** What tells whether a tool, or a prompt, is off as it stands now. All of a server is kept as its tool without a name. @returns {(server: string, tool: string, list?: "off" | "offPrompts") => boolean} */
export function switches() {
	const lists = {off: listedTools("off"), offPrompts: listedTools("offPrompts")};
	return (server, tool, list = "off") =>
		isListed(lists[list], {server, tool}) || isListed(lists.off, {server, tool: ""});
}

/** For the back end. */
export const switchedOff = () =>
	listedTools("off").map(({server, tool}) => (tool ? {server, tool} : {server}));

function drawAllowed() {
	/** @param {ToolList} list @param {string} [what] it is, where it is no tool */
	const rows = (list, what) =>
		listedTools(list).map(tool => {
			const takeBack = () => {
				listTool(list, tool, false);
				drawAllowed();
				focusIn($("settings"), "#allowed .btn, #md");
			};
			const name = what ? `${what} ${tool.tool}` : tool.tool;
			return h("li", h("code", visible(`${tool.server} · ${name}`)), button(t("takeBack"), takeBack));
		});
	const all = [...rows("always"), ...rows("apps", t("appsShown"))];
	$("allowed").replaceChildren(...all);
	$("none-allowed").hidden = all.length > 0;
}

/** @param {() => void} redraw in another language */
export function initPreferences(redraw) {
	const {lang} = document.documentElement;
	$("settings").onbeforetoggle = drawAllowed;
	sayWhetherAsked();
	bindRadios("lang", lang, async picked => {
		await setLanguage(picked);
		setPreference("lang", picked);
		document.documentElement.lang = picked;
		redraw();
	});
	bindRadios("theme", preferences.theme ?? "", theme => {
		setPreference("theme", theme);
		paintTheme(theme);
	});
}
