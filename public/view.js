// A conversation on the screen: questions, answers with their cards, and the notes about how an answer ended.
import {Card} from "./cards.js";
import {button, h, icon, iconButton, isEnter, toast} from "./dom.js";
import {t} from "./i18n.js";
import {renderProse} from "./prose.js";

const LONG = 1400; // characters of a question that folds
const LONG_LINES = 18;
const LONG_ANSWER = 6000; // of one that is not the newest

const textOf = ({message}) => (typeof message.content === "string" ? message.content : "");
const copy = text => iconButton("copy", () => navigator.clipboard.writeText(text()).then(() => toast(t("copied"))));

function fold(body) {
	const turn = () => {
		toggle.ariaExpanded = !body.classList.toggle("folded");
		toggle.textContent = t(toggle.ariaExpanded === "true" ? "less" : "more");
	};
	const toggle = button("", turn, ".link");
	body.after(toggle);
	turn();
}

export class View {
	root = h("ol.log");
	#cards = new Map();
	#answer = null;
	#prose = null;
	#note = h("li.turn");
	#dots = h(".dots", {ariaHidden: "true"}, h("i"), h("i"), h("i"));

	constructor(talk) {
		this.talk = talk;
		this.render();
	}

	/** Build everything anew from the conversation. */
	render() {
		const {entries} = this.talk.item;
		const newest = entries.findLastIndex(({message}) => message.role === "user");
		this.#cards.clear();
		this.#answer = null;
		this.root.replaceChildren();
		entries.forEach((entry, index) => {
			if (entry.message.role === "user") this.question(entry);
			else if (entry.message.role === "assistant") this.#stored(entry, index < newest);
		});
		this.finish();
	}

	question(entry) {
		this.finish();
		this.#answer = null;
		const text = textOf(entry);
		const body = h(".bubble", text);
		const turn = h("li.turn.mine", {ariaLabel: t("you")}, body, h(".acts", iconButton("edit", () => this.#edit(turn, entry)), copy(() => text)));
		if (text.length > LONG || text.split("\n").length > LONG_LINES) fold(body);
		this.root.append(turn);
	}

	#stored(entry, old) {
		const text = textOf(entry);
		if (entry.html) this.html(entry.html);
		else if (text) this.text(text);
		if (old && text.length > LONG_ANSWER) fold(this.#prose);
		this.closeProse();
		for (const {id, function: {name: tool, arguments: args} = {}} of entry.message.tool_calls ?? []) {
			this.talk.item.calls[id] ??= {server: "", tool, args, readOnly: true};
			this.card(id);
		}
	}

	#edit(turn, entry) {
		const area = h("textarea", {value: textOf(entry), rows: 3, ariaLabel: t("edit")});
		const before = [...turn.childNodes];
		const cancel = () => turn.replaceChildren(...before);
		const ask = () => area.value.trim() && !this.talk.stop && this.talk.edit(entry, area.value.trim());
		area.onkeydown = event => {
			if (event.key === "Escape") cancel();
			if (!isEnter(event)) return;
			event.preventDefault();
			ask();
		};
		turn.replaceChildren(h(".editor", area, h(".row", button(t("askAgain"), ask, ".primary"), button(t("cancel"), cancel))));
		area.focus();
	}

	#parts() {
		if (!this.#answer) this.root.append((this.#answer = h("li.turn.answer", {ariaLabel: t("assistant")})));
		return this.#answer;
	}

	#open() {
		this.#dots.remove();
		if (!this.#prose) this.#parts().append((this.#prose = h(".prose")));
		return this.#prose;
	}

	closeProse() {
		this.#prose = null;
	}

	/** Plain text, until its first rendered form is there. */
	text(whole, rendered) {
		if (!rendered) this.#open().textContent = whole;
	}

	html(html) {
		renderProse(this.#open(), html);
	}

	card(id) {
		if (!this.#cards.has(id)) {
			const card = new Card(id, this.talk);
			this.closeProse();
			this.#cards.set(id, card);
			this.#parts().append(card.root);
		}
		this.#cards.get(id).update();
		if (this.talk.stop) this.#parts().append(this.#dots);
	}

	begin() {
		this.#note.remove();
		this.#parts().querySelector(":scope > .acts")?.remove();
		this.#parts().append(this.#dots);
	}

	/** The answer is over, for whatever reason: cards settle, and it can be copied or asked for again. */
	finish() {
		const answer = this.#answer;
		this.#dots.remove();
		this.closeProse();
		for (const card of this.#cards.values()) card.update();
		if (!answer || answer.querySelector(":scope > .acts")) return;
		const again = iconButton("again", () => this.talk.stop || this.talk.regenerate());
		if (answer.firstChild) return answer.append(h(".acts", copy(() => this.spoken(answer)), again));
		answer.remove();
		this.#answer = null;
	}

	/** An answer's text, as it is read out or copied. */
	spoken = (answer = this.#answer) => [...(answer?.querySelectorAll(":scope > .prose") ?? [])].map(part => part.innerText).join("\n\n");

	/** Say how the answer ended, with the button that leads on. */
	note(text, {error, label, action} = {}) {
		const why = error && [h("strong", t("errorTitle")), h("p", text), h("p.quiet", t("errorHint"))];
		const box = h(error ? ".note.error" : ".note", {role: error ? "alert" : "note"}, icon(error ? "alert" : "wait"), h("", why || text));
		if (label) box.append(button(label, action));
		this.#note.replaceChildren(box);
		this.root.append(this.#note);
	}
}
