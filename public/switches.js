// What the user has switched off: the model is not offered it. And the switches for that.
import {attr, h} from "./elements.js";
import {visible} from "./exact-text.js";
import {formatNumber, localised, t} from "./i18n.js";
import {isListed, listedTools, listTool} from "./preferences.js";

/** @typedef {{server: string, tool?: string, prompt?: string}} Switched a tool, a prompt, or all of a server */

/** All of a server is kept as its tool without a name. @param {Switched} what @returns {["off" | "offPrompts", ListedTool]} */
const entryOf = ({server, tool = "", prompt}) =>
	prompt === undefined ? ["off", {server, tool}] : ["offPrompts", {server, tool: prompt}];

/** What tells whether something is off as it stands now. @returns {(what: Switched) => boolean} */
export function switches() {
	const lists = {off: listedTools("off"), offPrompts: listedTools("offPrompts")};
	return what => {
		const [list, entry] = entryOf(what);
		return isListed(lists[list], entry) || isListed(lists.off, {server: what.server, tool: ""});
	};
}

/** For the back end. */
export const switchedOff = () =>
	listedTools("off").map(({server, tool}) => (tool ? {server, tool} : {server}));

/** Give a box, dim while it is off, its switch. @param {HTMLElement} box @param {string} name @param {Switched} what */
export function makeSwitch(box, name, what) {
	const [list, entry] = entryOf(what);
	const isOff = isListed(listedTools(list), entry);
	const onchange = () => {
		listTool(list, entry, !input.checked);
		box.toggleAttribute("data-off", !input.checked);
	};
	const title = t("offerIt", {name});
	const props = {type: "checkbox", role: "switch", "aria-label": title, checked: !isOff, onchange};
	const input = h("input", attr(props));
	box.toggleAttribute("data-off", isOff);
	return h("label.switch", attr({title}), input);
}

/** A row that can be switched off. @param {HTMLElement} content @param {string} name @param {Switched} what */
export function switchRow(content, name, what) {
	const row = h(".switched", content);
	row.append(makeSwitch(row, name, what));
	return row;
}

/** @param {Prompt} prompt */
export function promptRow({server, name, title}) {
	const said = localised(title);
	const row = h(".row", h("bdi", visible(said)), h("span.tag", t("prompt")));
	return switchRow(row, said, {server, prompt: name});
}

/** How much of what the model can read its tools take. @param {Status} status */
export function tokensText({tools, toolTokens, model}) {
	if (!toolTokens) return "";
	const isOff = switches();
	const offered = tools
		.filter(({server, name}) => !isOff({server, tool: name}))
		.map(({tokens = 0}) => tokens);
	/** @param {number} least */
	const sum = least => offered.reduce((total, tokens) => total + Math.max(tokens, least), 0);
	const {max, share, each} = toolTokens;
	const isSearched = sum(each) > Math.min(max, share * (model.window || Number.POSITIVE_INFINITY));
	const window = model.window ? t("ofWindow", {n: formatNumber(model.window)}) : "";
	return t(isSearched ? "toolsSearched" : "toolsTake", {n: formatNumber(sum(0)), window});
}
