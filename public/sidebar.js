// The list of conversations.
import {titleOf} from "./conversations.js";
import {$, attr, editInPlace, h, iconButton, toast} from "./elements.js";
import {t} from "./i18n.js";

/** @import {Conversations} from "./conversations.js" */
/** @typedef {{[action in "open" | "save" | "remove"]: (conversation: Conversation) => void}} OnOne */
/** @typedef {OnOne & {current: () => Conversation, create: () => void}} Actions */

const MAX_TITLE_CHARS = 120;

/** @param {Conversation} conversation @param {string} wanted */
const matches = (conversation, wanted) =>
	[
		titleOf(conversation),
		...conversation.entries.flatMap(({message, files = []}) => [
			message.content,
			...files.map(({name}) => name),
		]),
	]
		.join("\n")
		.toLowerCase()
		.includes(wanted);

/** Give the function that draws the list. @param {Conversations} conversations @param {Actions} actions */
export function makeSidebar(conversations, actions) {
	const search = $("search", HTMLInputElement);
	$("create").onclick = actions.create;
	search.oninput = draw;

	function draw() {
		const wanted = search.value.trim().toLowerCase();
		const found = conversations
			.newest()
			.filter(item => item.entries.length && (!wanted || matches(item, wanted)));
		$("chats").replaceChildren(...found.map(row));
		if (wanted && !found.length) $("chats").append(h("li.quiet", t("noMatch")));
	}

	/** @param {Conversation} conversation */
	function row(conversation) {
		const title = titleOf(conversation);
		const isCurrent = conversation === actions.current() && "true";
		const onclick = () => actions.open(conversation);
		const open = h("button.open", attr({onclick, "aria-current": isCurrent}), title);
		const rename = () =>
			editInPlace(open, title, t("rename"), text => {
				conversation.title = text.slice(0, MAX_TITLE_CHARS);
				actions.save(conversation);
			});
		const remove = () => {
			actions.remove(conversation);
			toast(t("removed"), t("undo"), () => actions.save(conversation));
		};
		const edit = iconButton("edit", rename, `${t("rename")} ${title}`);
		return h("li", open, edit, iconButton("trash", remove, `${t("remove")} ${title}`));
	}

	return draw;
}
