// A conversation as a file: Markdown to read, JSON with everything.
import {attr, h} from "./elements.js";
import {t, textOf} from "./i18n.js";

const KEPT_MS = 60_000; // until a browser that asks where to put it has read it

/** @param {Conversation} conversation */
export const titleOf = conversation => conversation.title || t("newChat");

/** @param {string} text */
const fence = text => `\`\`\`\`json\n${text}\n\`\`\`\``;

/** @param {Conversation} conversation */
export function asMarkdown({title, entries, calls}) {
	const parts = [`# ${title}`];
	for (const {message} of entries) {
		const {role, content, tool_calls: asked = []} = message;
		if (content && role !== "tool")
			parts.push(`## ${t(role === "user" ? "you" : "assistant")}`, `${textOf(content)}`);
		for (const {id} of asked) {
			const {server, tool, args, result = ""} = calls[id] ?? {};
			parts.push(`**${server} · ${tool}**`, fence(JSON.stringify(args)), fence(result));
		}
	}
	return `${parts.join("\n\n")}\n`;
}

/** @param {Conversation} conversation @param {"md" | "json"} ending */
export function download(conversation, ending) {
	const text = ending === "md" ? asMarkdown(conversation) : JSON.stringify(conversation, null, 2);
	const name = `${titleOf(conversation).replace(/[^\p{L}\p{N}]+/gu, "-")}.${ending}`;
	saveFile(name, text);
}

/** @param {string} name @param {string} text */
export function saveFile(name, text) {
	const href = URL.createObjectURL(new Blob([text]));
	h("a", attr({href, download: name})).click();
	setTimeout(() => URL.revokeObjectURL(href), KEPT_MS);
}
