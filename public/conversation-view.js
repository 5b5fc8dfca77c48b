// A conversation on the screen: questions, answers with their cards, and how an answer ended.
import {aboutFile, thumbnail} from "./attached.js";
import {CallCard} from "./call-card.js";
import {foldCalls} from "./call-fold.js";
import {isQuestion, sentEntries} from "./call-states.js";
import {kept} from "./conversations.js";
import {countDown} from "./count-down.js";
import {attr, button, copyButton, h, icon, iconButton, openDialog} from "./elements.js";
import {drawExact, readable, visible} from "./exact-text.js";
import {failureText, formatDuration, t} from "./i18n.js";
import {nodesOf, renderProse} from "./prose.js";
import {editQuestion} from "./question-editor.js";
import {totalText, usageText} from "./usage.js";

/** @import {ConversationController} from "./conversation-controller.js" */

const FOLDED = /^(.{700}|([^\n]*\n){9})(?=.{700}|([^\n]*\n){9})/s; // what stays of a long question

/** @param {Entry} entry */
const contentOf = ({message}) => (typeof message.content === "string" ? message.content : "");

/** A picture that opens in full, or a file that unfolds. @param {Attachment} file */
function drawFile(file) {
	const {name, url, text = ""} = file;
	const about = h("small", aboutFile(file));
	const open = () => openDialog(name, thumbnail(file)).classList.add("large");
	if (url)
		return h("li", h("button", attr({onclick: open, title: name, "aria-label": name}), thumbnail(file)));
	const body = h("");
	const fill = () => body.firstChild || body.append(drawExact(text));
	const summary = h("summary", h("bdi", visible(name)), " ", about);
	return h("li", h("details", attr({ontoggle: fill}), summary, body));
}

/** What was answered to a question, as it was written. @param {Entry[]} entries @param {Entry | null} question */
function answerTo(entries, question) {
	const after = entries.slice(question ? entries.indexOf(question) + 1 : 0);
	const next = after.findIndex(isQuestion);
	const answered = next < 0 ? after : after.slice(0, next);
	const said = answered.filter(({message}) => message.role === "assistant").map(contentOf);
	return said.filter(Boolean).join("\n\n");
}

export class ConversationView {
	root = h("ol.log");
	/** @type {Map<string, CallCard>} */
	#cards = new Map();
	/** @type {Map<Entry, HTMLElement>} */
	#places = new Map();
	/** @type {Map<Entry, (begun?: string) => void>} how each question is edited */
	#editors = new Map();
	/** @type {HTMLElement | null} the newest answer */
	#answer = null;
	/** @type {HTMLElement | null} the part of it that is being written */
	#prose = null;
	/** @type {Entry | null} the newest */
	#question = null;
	#total = h(".quiet");
	/** @type {(() => ConversationView) | null} unfolds what is older than the summary */
	#older = null;
	#fixed = 0; // nodes of that part which stay as they are
	/** @type {HTMLElement | null} what the model thinks before it */
	#thoughts = null;
	#note = h("li.turn");
	#dots = h(".dots", attr({"aria-hidden": "true"}), "●●●");

	/** @param {ConversationController} controller */
	constructor(controller) {
		this.controller = controller;
	}

	render() {
		const {conversation} = this.controller;
		const [summary, ...sent] = sentEntries(conversation);
		const earlier = conversation.entries.slice(0, -sent.length - 1);
		if (summary?.message.compacted) this.#draw(sent, this.#folded(summary, earlier));
		else {
			this.#older = null;
			this.#draw(conversation.entries);
		}
		const {n = -1, text} = kept("edit", conversation.id) ?? {};
		this.#editors.get(conversation.entries.filter(isQuestion)[n])?.(text);
	}

	/** @param {Entry[]} entries @param {HTMLElement[]} before */
	#draw(entries, ...before) {
		this.#cards.clear();
		this.#places.clear();
		this.#editors.clear();
		this.#answer = null;
		this.root.replaceChildren(...before);
		for (const entry of entries) {
			if (isQuestion(entry)) this.question(entry);
			else if (entry.message.role === "assistant") this.#stored(entry);
			this.#places.set(entry, /** @type {HTMLElement} */ (this.root.lastElementChild ?? this.root));
		}
		this.#close();
	}

	/** What a summary stands for, in a view of its own, drawn once it is opened. @param {Entry} summary @param {Entry[]} entries */
	#folded(summary, entries) {
		const view = new ConversationView(this.controller);
		const fill = () => view.root.firstChild || view.#draw(entries);
		const given = h("details.raw", h("summary", t("foldedAs")), drawExact(contentOf(summary)));
		const fold = h("details", attr({ontoggle: fill}), h("summary.quiet", t("folded")), given, view.root);
		this.#older = () => {
			fold.open = true;
			fill();
			return view;
		};
		return h("li.turn.fold", fold);
	}

	/** Draw anew in the middle of an answer: a summary stands for older turns by now. */
	fold() {
		this.render();
		this.begin();
	}

	/** @param {Entry} entry */
	question(entry) {
		this.#close();
		this.#answer = null;
		this.#question = entry;
		const {controller} = this;
		const text = contentOf(entry);
		const [begin] = FOLDED.exec(text) ?? [];
		const files = entry.files?.map(drawFile);
		const body = begin
			? h("details.bubble", h("summary", begin), text.slice(begin.length))
			: h(".bubble", text);
		/** One that was begun goes on. @param {string} [begun] */
		const edit = begun => {
			if (!begun && controller.answering) return;
			const field = editQuestion(body, controller, entry, begun ?? text);
			if (!begun) field.select();
		};
		this.#editors.set(entry, edit);
		const copy = copyButton(() => text);
		const change = iconButton("edit", () => edit());
		const acts = h(".acts", change, copy);
		const list = files && h("ul.files", files);
		this.root.append(h("li.turn.mine", attr({"aria-label": t("you")}), list, (text || !files) && body, acts));
	}

	/** @param {Entry} entry */
	#stored(entry) {
		if (entry.thoughts) this.thoughts(entry.thoughts, entry.thoughtMs);
		if (entry.html) this.html(entry.html);
		else if (contentOf(entry)) this.text(contentOf(entry), "");
		this.remarks(entry.message);
		const {conversation} = this.controller;
		// The newest says so with a way to go on.
		if (entry.part && entry !== conversation.entries.at(-1))
			this.#add(h("p.warned.row", icon("unknown"), t("interrupted")));
		this.closeProse();
		const {calls} = conversation;
		for (const {id, function: asked} of entry.message.tool_calls ?? []) {
			calls[id] ??= {server: "", tool: asked?.name, args: asked?.arguments, readOnly: true};
			this.card(id);
		}
	}

	/** @param {HTMLElement} part */
	#add(part) {
		if (!this.#answer) {
			this.#answer = h("li.turn.answer", attr({"aria-label": t("assistant")}));
			this.root.append(this.#answer);
		}
		this.#answer.append(part);
		return part;
	}

	#openProse() {
		this.#dots.remove();
		this.#prose ??= this.#add(h(".prose"));
		return this.#prose;
	}

	closeProse() {
		this.#prose = this.#thoughts = null;
		this.#fixed = 0;
	}

	/** @param {string} whole @param {string} rendered the same as HTML, once there is some */
	text(whole, rendered) {
		if (rendered) return;
		this.#openProse().textContent = whole;
		this.#fixed = 0;
	}

	/** What the model thinks is folded; more of it is added. @param {string} delta @param {number} [ms] for which it has thought */
	thoughts(delta, ms) {
		this.#thoughts ??= this.#add(h("details.thoughts", h("summary", t("thoughts"))));
		const n = Math.round((ms ?? 0) / 1000);
		if (n && this.#thoughts.firstChild)
			this.#thoughts.firstChild.textContent = t("thoughtFor", {n: formatDuration(n)});
		this.#thoughts.append(delta);
		if (this.controller.answering) this.#add(this.#dots);
	}

	/** Say why the answer is a part of one, and what else is to be known of it. @param {Message} message */
	remarks({error, notes = []}) {
		const part = error ? [t("partial") + failureText(error)] : [];
		for (const text of [...part, ...notes.map(note => failureText(note))]) {
			this.#add(h("p.warned.row", icon("unknown"), readable(text)));
		}
	}

	/** @param {string} html of the last block @param {string} [fixed] what was the last block and stays; else all is new */
	html(html, fixed) {
		this.#fixed = fixed === undefined ? 0 : this.#fixed + (fixed ? nodesOf(fixed).length : 0);
		renderProse(this.#openProse(), html, this.#fixed);
	}

	/** @param {string} id */
	card(id) {
		let card = this.#cards.get(id);
		if (!card) {
			this.closeProse();
			card = new CallCard(id, this.controller);
			this.#cards.set(id, card);
			this.#add(card.root);
		}
		card.update();
		this.#fold();
		if (this.controller.answering) this.#add(this.#dots);
	}

	/** Lead to a call. @param {string} id */
	reveal(id) {
		const card = this.#cards.get(id);
		if (!card) this.#older?.().reveal(id);
		card?.root.closest(".calls")?.setAttribute("open", "");
		card?.root.scrollIntoView({block: "center"});
		card?.focusSummary();
	}

	/** Where it is. @type {(entry: Entry) => HTMLElement | undefined} */
	placeOf(entry) {
		return this.#places.get(entry) ?? this.#older?.().placeOf(entry);
	}

	begin() {
		this.#note.remove();
		for (const part of this.#answer?.querySelectorAll(":scope > :is(.acts, .shelf)") ?? []) part.remove();
		this.#total.remove();
		this.#add(this.#dots);
	}

	finish() {
		for (const card of this.#cards.values()) card.update();
		this.#fold();
		this.#close();
	}

	/** Put the buttons below the newest answer, or take it away if nothing came. */
	#close() {
		const answer = this.#answer;
		this.#dots.remove();
		this.closeProse();
		if (!answer || answer.querySelector(":scope > .acts")) return;
		if (!answer.firstChild) {
			answer.remove();
			this.#answer = null;
			return;
		}
		this.#shelve(answer);
		const question = this.#question;
		const copy = copyButton(() => answerTo(this.controller.conversation.entries, question));
		const again = iconButton("again", () => this.controller.regenerate());
		answer.append(h(".acts", copy, again, h("span.quiet", usageText(this.#question?.usage))), this.#total);
		this.#total.textContent = totalText(this.controller.conversation);
	}

	/** Calls that have only read become one line. */
	#fold() {
		if (this.#answer) foldCalls(this.#answer, this.#cards.values());
	}

	/** Products that it speaks of, where all it did was to look. @param {HTMLElement} answer */
	#shelve(answer) {
		const calls = [...this.#cards.values()].filter(({root}) => answer.contains(root)).map(({call}) => call);
		const isSaid = calls.some(({result, isError}) => !isError && result?.includes('"price"'));
		if (!isSaid || !calls.every(({readOnly}) => readOnly)) return;
		const shelf = h(".shelf");
		answer.append(shelf);
		const prose = [...answer.querySelectorAll(":scope > .prose")].map(part => part.textContent);
		import("./product-cards.js")
			.then(({fillShelf}) => fillShelf(shelf, calls, prose.join("\n"), text => this.controller.say(text)))
			.catch(() => shelf.remove());
	}

	/** The newest answer as text. */
	spoken() {
		const prose = /** @type {HTMLElement[]} */ ([
			...(this.#answer?.querySelectorAll(":scope > .prose") ?? []),
		]);
		// biome-ignore lint/performance/useDomNodeTextContent: lists and tables keep their lines
		return prose.map(part => part.innerText).join("\n\n");
	}

	/** @param {string} text @param {() => void} [goOn] */
	note(text, goOn) {
		this.#showNote(h(".note", icon("waiting"), h("", text), goOn && button(t("continue"), goOn)));
	}

	/** @param {string} text @param {() => void} retry @param {any} [failure] any: with seconds, or without */
	error(text, retry, failure) {
		const said = h("p", readable(text));
		const again = button(t("tryAgain"), retry);
		const why = h("", h("strong", t("errorTitle")), said, h("p.quiet", t("errorHint")));
		this.#showNote(h(".note.error", attr({role: "alert"}), icon("unknown"), why, again));
		if (Number(failure?.params?.seconds) > 0) countDown(said, again, failure);
	}

	/** @param {HTMLElement} note */
	#showNote(note) {
		this.#note.replaceChildren(note);
		this.root.append(this.#note);
	}
}
