// One conversation as a file: Markdown to read, JSON with everything.
import {h} from "./dom.js";
import {t} from "./i18n.js";
import {titleOf} from "./sidebar.js";

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

export function save(item, ending) {
	const text = ending === "md" ? asMarkdown(item) : JSON.stringify(item, null, 2);
	const name = `${titleOf(item).replace(/[^\p{L}\p{N}]+/gu, "-")}.${ending}`;
	h("a", {href: URL.createObjectURL(new Blob([text])), download: name}).click();
}
