// A conversation on the screen: questions, answers with their cards, and how an answer ended.
import {Card} from "./cards.js";
import {button, editInPlace, h, icon, iconButton, toast} from "./dom.js";
import {t} from "./i18n.js";

const LONG = /^(.{700}|([^\n]*\n){9})(?=.{700}|([^\n]*\n){9})/s; // the beginning of a question that folds

// The server sanitises, the CSP forbids, and a browser that can sanitises once more.
const sanitizer = window.Sanitizer && new Sanitizer();
for (const ours of ["class", "tabindex"]) sanitizer?.allowAttribute(ours);

/** What is unchanged is not touched, so selections and scrolling stay. */
function renderProse(target, html) {
	const template = h("template");
	if (sanitizer) template.setHTML(html, {sanitizer});
	else template.innerHTML = html;
	const next = [...template.content.childNodes];
	let at = 0;
	while (next[at] && target.childNodes[at]?.isEqualNode(next[at])) at += 1;
	while (target.childNodes[at]) target.lastChild.remove();
	target.append(...next.slice(at));
}

const textOf = ({message}) => (typeof message.content === "string" ? message.content : "");
const copy = text => iconButton("copy", () => navigator.clipboard?.writeText(text()).then(() => toast(t("copied"))));

export class View {
	root = h("ol.log");
	#cards = new Map();
	#answer;
	#prose;
	#note = h("li.turn");
	#dots = h(".dots", {ariaHidden: "true"}, "●●●");

	constructor(talk) {
		this.talk = talk;
	}

	render() {
		const {entries} = this.talk.item;
		this.#cards.clear();
		this.#answer = null;
		this.root.replaceChildren();
		for (const entry of entries) {
			if (entry.message.role === "user") this.question(entry);
			else if (entry.message.role === "assistant") this.#stored(entry);
		}
		this.#close();
	}

	question(entry) {
		this.#close();
		this.#answer = null;
		const text = textOf(entry);
		const [begin] = LONG.exec(text) ?? [];
		const body = begin ? h("details.bubble", h("summary", begin), text.slice(begin.length)) : h(".bubble", text);
		const edit = () => !this.talk.stop && editInPlace(body, text, t("edit"), words => this.talk.edit(entry, words));
		this.root.append(h("li.turn.mine", {ariaLabel: t("you")}, h(".acts", iconButton("edit", edit), copy(() => text)), body));
	}

	#stored(entry) {
		if (entry.html) this.html(entry.html);
		else if (textOf(entry)) this.text(textOf(entry));
		this.closeProse();
		for (const {id, function: {name: tool, arguments: args} = {}} of entry.message.tool_calls ?? []) {
			this.talk.item.calls[id] ??= {server: "", tool, args, readOnly: true};
			this.card(id);
		}
	}

	#add(part) {
		if (!this.#answer) this.root.append((this.#answer = h("li.turn.answer", {ariaLabel: t("assistant")})));
		this.#answer.append(part);
		return part;
	}

	#open() {
		this.#dots.remove();
		return (this.#prose ??= this.#add(h(".prose")));
	}

	closeProse() {
		this.#prose = null;
	}

	text(whole, rendered) {
		if (!rendered) this.#open().textContent = whole;
	}

	html(html) {
		renderProse(this.#open(), html);
	}

	card(id) {
		if (!this.#cards.has(id)) {
			this.closeProse();
			this.#cards.set(id, new Card(id, this.talk));
			this.#add(this.#cards.get(id).root);
		}
		this.#cards.get(id).update();
		if (this.talk.stop) this.#add(this.#dots);
	}

	begin() {
		this.#note.remove();
		this.#answer?.querySelector(":scope > .acts")?.remove();
		this.#add(this.#dots);
	}

	finish() {
		for (const card of this.#cards.values()) card.update();
		this.#close();
	}

	#close() {
		const answer = this.#answer;
		this.#dots.remove();
		this.closeProse();
		if (!answer || answer.querySelector(":scope > .acts")) return;
		const again = iconButton("again", () => this.talk.stop || this.talk.regenerate());
		if (answer.firstChild) return answer.append(h(".acts", copy(() => this.spoken(answer)), again));
		answer.remove();
		this.#answer = null;
	}

	spoken = (answer = this.#answer) => [...(answer?.querySelectorAll(":scope > .prose") ?? [])].map(part => part.innerText).join("\n\n");

	note(text, label, action, error) {
		const why = error ? [h("strong", t("errorTitle")), h("p", text), h("p.quiet", t("errorHint"))] : text;
		const kind = error ? ".note.error" : ".note";
		this.#note.replaceChildren(h(kind, {role: error && "alert"}, icon(error ? "unknown" : "waiting"), h("", why), label && button(label, action)));
		this.root.append(this.#note);
	}
}
