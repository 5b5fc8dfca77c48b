// The settings' window: language, appearance, tools that may run without asking, export.
import {$, bind, button, h} from "./dom.js";
import {root, t} from "./i18n.js";
import {titleOf} from "./sidebar.js";
import {enlist, listed, set, settings} from "./store.js";

function drawAllowed() {
	const takeBack = name => () => (enlist("always", name, false), drawAllowed());
	$("allowed").replaceChildren(...listed("always").map(name => h("li", h("code", name.split("@")[0]), button(t("takeBack"), takeBack(name)))));
	$("none-allowed").hidden = listed("always").length > 0;
}

export function initSettings(item, speak) {
	$("settings").onbeforetoggle = drawAllowed;
	bind("lang", root.lang, lang => (set("lang", lang), (root.lang = lang), speak()));
	bind("theme", settings.theme ?? "", theme => (set("theme", theme), (root.style.colorScheme = theme)));
	for (const ending of ["md", "json"]) $(ending).onclick = () => save(item(), ending);
}

// A conversation as a file: Markdown to read, JSON with everything.
const fence = text => `\`\`\`\`json\n${text}\n\`\`\`\``;

function asMarkdown({title, entries, calls}) {
	const parts = [`# ${title}`];
	for (const {message: {role, content, tool_calls: asked = []}} of entries) {
		if (content && role !== "tool") parts.push(`## ${t(role === "user" ? "you" : "assistant")}`, content);
		for (const {server, tool, args, result} of asked.map(({id}) => calls[id] ?? {})) {
			parts.push(`**${server} · ${tool}**`, fence(JSON.stringify(args)), fence(result ?? ""));
		}
	}
	return `${parts.join("\n\n")}\n`;
}

function save(item, ending) {
	const text = ending === "md" ? asMarkdown(item) : JSON.stringify(item, null, 2);
	const name = `${titleOf(item).replace(/[^\p{L}\p{N}]+/gu, "-")}.${ending}`;
	h("a", {href: URL.createObjectURL(new Blob([text])), download: name}).click();
}
