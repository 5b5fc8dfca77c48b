// The list of conversations.
import {$, editInPlace, h, iconButton, toast} from "./dom.js";
import {t} from "./i18n.js";

export const titleOf = item => item.title || t("newChat");

export function makeSidebar(kept, act) {
	$("create").onclick = act.create;
	$("search").oninput = update;

	function update() {
		const words = $("search").value.trim().toLowerCase();
		const has = item => !words || [titleOf(item), ...item.entries.map(({message}) => message.content)].join("\n").toLowerCase().includes(words);
		const items = kept.newest().filter(item => item.entries.length && has(item));
		$("chats").replaceChildren(...items.map(row));
		if (words && !items.length) $("chats").append(h("li.quiet", t("noMatch")));
	}

	function row(item) {
		const title = titleOf(item);
		const open = h("button.open", {onclick: () => act.open(item), ariaCurrent: item === act.current() || null}, title);
		const name = words => act.save(Object.assign(item, {title: words.slice(0, 120)}));
		const rename = () => editInPlace(open, title, t("rename"), name);
		const remove = () => (act.remove(item), toast(t("removed"), t("undo"), () => act.save(item)));
		return h("li", open, iconButton("edit", rename, `${t("rename")} ${title}`), iconButton("trash", remove, `${t("remove")} ${title}`));
	}

	return update;
}
