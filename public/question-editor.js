// A question that is edited: what is written stays when one looks elsewhere, also over a reload.
import {isQuestion} from "./call-states.js";
import {keep} from "./conversations.js";
import {attr, button, focusIn, h, onLineKeys} from "./elements.js";
import {t} from "./i18n.js";

/** @import {ConversationController} from "./conversation-controller.js" */

const MAX_CHARS = 20_000; // as of the question's input

/** @param {HTMLElement} box that shows the question @param {ConversationController} controller @param {Entry} entry @param {string} text */
export function editQuestion(box, controller, entry, text) {
	const {id, entries} = controller.conversation;
	const field = h("textarea", attr({"aria-label": t("edit"), maxlength: MAX_CHARS}), text);
	const close = () => {
		keep("edit", id, null);
		form.replaceWith(box);
		if (box.parentElement) focusIn(box.parentElement, ".edit");
	};
	const send = () => {
		const edited = field.value.trim();
		if (!edited || controller.answering) return; // it stays until it can go out
		close();
		controller.edit(entry, edited);
	};
	field.oninput = () => keep("edit", id, {n: entries.filter(isQuestion).indexOf(entry), text: field.value});
	onLineKeys(field, send, close);
	const row = h(".row", button(t("cancel"), close), button(t("send"), send, ".primary"));
	const form = h(".editing", field, row);
	box.replaceWith(form);
	return field;
}
