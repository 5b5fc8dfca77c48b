// Keys for what is done often, and their list; loaded once the shop is shown.
import {$, focusIn, h, openDialog} from "./elements.js";
import {t} from "./i18n.js";

/** @import {Actions} from "./sidebar.js" */

const COMMAND = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘" : "Ctrl";
const KEYS = {
	key_list: ["?"],
	key_ask: ["/"],
	key_search: [COMMAND, "K"],
	key_create: [COMMAND, "Shift", "O"],
	key_turn: ["Alt", "↑ ↓"],
	key_edit: ["↑"],
	key_send: ["Enter"],
	key_line: ["Shift", "Enter"],
	key_close: ["Esc"],
};

function listKeys() {
	const row = (/** @type {[string, string[]]} */ [name, keys]) =>
		h("div.row", h("dt", t(name)), h("dd", ...keys.flatMap((key, i) => [i > 0 && " + ", h("kbd", key)])));
	const dialog = openDialog(t("keys"), h("dl.keys", Object.entries(KEYS).map(row)));
	focusIn(dialog, ".x");
}

function search() {
	if (!$("side").checkVisibility()) $("side").showPopover();
	$("search", HTMLInputElement).select();
}

/** Open the conversation above or below in the list. @param {number} step */
function turn(step) {
	const rows = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("#chats .open")]);
	const at = rows.findIndex(row => row.ariaCurrent);
	rows[at < 0 ? 0 : at + step]?.click();
}

function editLast() {
	const edits = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".mine .edit"));
	edits[edits.length - 1]?.click();
}

/** What a key does, where it is pressed. @param {KeyboardEvent} event @param {Actions} actions @returns {(() => void) | false | undefined} */
function actionOf({key, code, target, ctrlKey, metaKey, shiftKey, altKey}, actions) {
	const field = /** @type {HTMLInputElement} */ (target);
	const isWriting = field.matches("input:not([type=radio], [type=checkbox]), textarea, select");
	const isEmpty = !isWriting || (field.id === "input" && !field.value);
	if (ctrlKey || metaKey) {
		if (code === "KeyK" && !shiftKey) return search;
		return code === "KeyO" && shiftKey && actions.create;
	}
	if (altKey) return isEmpty && {ArrowUp: () => turn(-1), ArrowDown: () => turn(1)}[key];
	if (isWriting) return key === "ArrowUp" && !shiftKey && isEmpty && editLast;
	return {"?": listKeys, "/": () => $("input").focus()}[key];
}

/** Give what shows their list. @param {Actions} actions */
export function followKeys(actions) {
	document.addEventListener("keydown", event => {
		const action = !event.isComposing && !event.defaultPrevented && actionOf(event, actions);
		if (!action || document.querySelector("dialog:modal")) return;
		event.preventDefault();
		action();
	});
	return listKeys;
}
