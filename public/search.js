// What is said in conversations, found and led to; loaded with the first search.
import {titleOf} from "./conversations.js";

/** @import {ConversationView} from "./conversation-view.js" */
/** @typedef {{conversation: Conversation, found?: string[], lead?: (view: ConversationView) => void}} Hit `found`: what stands before it, itself, what follows */

const [BEFORE_CHARS, AFTER_CHARS] = [16, 60];

/** Whatever stands between the words, and in either case. @param {string[]} words */
const patternOf = words =>
	new RegExp(words.map(word => word.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("\\s+"), "i");

/** What a person reads in it: of a call its result. @param {Entry} entry */
function textsOf({message, files = []}) {
	const content = typeof message.content === "string" && !message.compacted ? message.content : "";
	return [content, ...files.map(({name}) => name)];
}

/** Those that say every word, with where; best the words as they stand. @param {Conversation[]} conversations @param {string} wanted @returns {Hit[]} */
export function searchIn(conversations, wanted) {
	const words = wanted.split(/\s+/);
	const each = words.map(word => patternOf([word]));
	const phrase = patternOf(words);
	return conversations.flatMap(conversation => {
		const said = conversation.entries.flatMap(entry => textsOf(entry).map(text => ({entry, text})));
		const texts = [titleOf(conversation), ...said.map(({text}) => text)];
		if (!each.every(pattern => texts.some(text => pattern.test(text)))) return [];
		/** @param {RegExp} pattern */
		const hitOf = pattern => {
			const inTurn = said.findLast(({entry, text}) => entry.message.role !== "tool" && pattern.test(text));
			const hit = inTurn ?? said.findLast(({text}) => pattern.test(text));
			return hit && {...hit, pattern};
		};
		const hit = hitOf(phrase) ?? each.map(hitOf).find(Boolean);
		if (!hit || hit.text === titleOf(conversation)) return [{conversation}];
		const {entry, text, pattern} = hit;
		const lead = (/** @type {ConversationView} */ view) => show(view, entry, pattern);
		return [{conversation, found: excerpt(text, pattern), lead}];
	});
}

/** Without the marks of Markdown. @param {string} text */
const plain = text => text.replace(/\*\*|~~|\x60+|^#+ /gm, "").replace(/\s*\|[\s|:-]*/g, " ");

/** @param {string} text @param {RegExp} pattern */
function excerpt(text, pattern) {
	const hit = pattern.exec(text);
	const [index, match] = [hit?.index ?? 0, hit?.[0] ?? ""];
	const before = plain(text.slice(0, index));
	const after = plain(text.slice(index + match.length)).slice(0, AFTER_CHARS);
	return [`${before.length > BEFORE_CHARS ? "…" : ""}${before.slice(-BEFORE_CHARS)}`, plain(match), after];
}

/** Bring it into the middle of the view, and mark it there. @param {ConversationView} view @param {Entry} entry @param {RegExp} pattern */
function show(view, entry, pattern) {
	const {tool_call_id: call} = entry.message;
	if (call) return view.reveal(call);
	const place = view.placeOf(entry) ?? view.root;
	const range = rangeIn(place, pattern);
	const box = range?.startContainer.parentElement;
	box?.closest("details")?.setAttribute("open", "");
	(box ?? place).scrollIntoView({block: "center"});
	if (range) CSS.highlights?.set("found", new Highlight(range));
}

/** Where a text of this element first matches, across its parts. @param {HTMLElement} element @param {RegExp} pattern */
function rangeIn(element, pattern) {
	const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
	/** @type {[Node, number][]} with where each begins */
	const nodes = [];
	let text = "";
	for (let node = walker.nextNode(); node; node = walker.nextNode()) {
		nodes.push([node, text.length]);
		text += node.nodeValue;
	}
	const found = pattern.exec(text);
	if (!found) return null;
	const range = new Range();
	const at = (/** @type {number} */ place) => nodes.findLast(([, begin]) => begin <= place) ?? nodes[0];
	const [[first, from], [last, to]] = [at(found.index), at(found.index + found[0].length - 1)];
	range.setStart(first, found.index - from);
	range.setEnd(last, found.index + found[0].length - to);
	return range;
}
