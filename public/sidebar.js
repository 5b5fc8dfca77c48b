// The list of conversations, and one of them as Markdown.
import {$, h, iconButton, isEnter, toast} from "./dom.js";
import {t} from "./i18n.js";

export const titleOf = item => item.title || t("newChat");

export function makeSidebar(kept, act) {
	let renaming = null;
	$("create").onclick = act.create;
	$("search").oninput = update;

	function update() {
		const words = $("search").value.trim().toLowerCase();
		const has = item => [titleOf(item), ...item.entries.map(({message}) => message.content)].join("\n").toLowerCase().includes(words);
		const items = kept.newest().filter(item => item.entries.length && has(item));
		$("chats").replaceChildren(...items.map(item => (item === renaming ? field(item) : row(item))));
		if (words && !items.length) $("chats").append(h("li.quiet", t("noMatch")));
		if (renaming) $("chats").querySelector("input")?.select();
	}

	function row(item) {
		const title = titleOf(item);
		const open = h("button.open", {onclick: () => act.open(item), ariaCurrent: item === act.current() || null}, title);
		const rename = () => ((renaming = item), update());
		const remove = () => (act.remove(item), toast(t("removed"), t("undo"), () => act.save(item)));
		return h("li", open, iconButton("edit", rename, `${t("rename")} ${title}`), iconButton("trash", remove, `${t("remove")} ${title}`));
	}

	function field(item) {
		const end = keep => {
			if (!renaming) return;
			renaming = null;
			if (keep) item.title = input.value.trim().slice(0, 120) || item.title;
			act.save(item);
		};
		const input = h("input", {value: item.title, ariaLabel: t("rename"), onblur: () => end(true)});
		input.addEventListener("keydown", event => (isEnter(event) || event.key === "Escape") && end(event.key === "Enter"));
		return h("li", input);
	}

	return update;
}

const fence = text => `\`\`\`\`json\n${text}\n\`\`\`\``;

export function asMarkdown({title, entries, calls}) {
	const parts = [`# ${title}`];
	for (const {message: {role, content, tool_calls: asked = []}} of entries) {
		if (content && role !== "tool") parts.push(`## ${t(role === "user" ? "you" : "assistant")}`, content);
		for (const {server, tool, args, result} of asked.map(({id}) => calls[id] ?? {})) {
			parts.push(`**${server} · ${tool}**`, fence(JSON.stringify(args)), fence(result ?? ""));
		}
	}
	return `${parts.join("\n\n")}\n`;
}
