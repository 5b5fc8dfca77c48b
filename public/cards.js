// A tool call as a card, with what a person must decide.
import {json, show} from "./data.js";
import {h, icon} from "./dom.js";
import {number, t} from "./i18n.js";
import {fillConfirm, fillReceipt, fillUnknown, orderOf} from "./purchase.js";
import {stateOf} from "./turn.js";

const progressBar = ({progress, total, message}) =>
	h("span.progress", h("progress", {ariaLabel: t("running"), max: total ?? 1, value: total && progress}), message);

export class Card {
	state = "";
	#body = h(".card-body");
	#summary = h("summary");
	#slot = h(".slot", {role: "group"});

	constructor(id, talk) {
		Object.assign(this, {id, talk});
		this.details = h("details.card", {ontoggle: () => this.#fill()}, this.#summary, this.#body);
		this.root = h(".tool", this.details, this.#slot);
		this.#slot.addEventListener("keydown", ({key}) => key === "Escape" && this.state === "waiting" && talk.decide(id, false));
	}

	get call() {
		return this.talk.item.calls[this.id];
	}

	update() {
		const {call} = this;
		const state = stateOf(this.talk.item, this.id, this.talk.stop);
		this.#summary.replaceChildren(
			icon(state),
			h("span.card-title", call.title || call.tool),
			h("code", `${call.server} · ${call.tool}`),
			h("span.card-state", t(state), call.ms === undefined ? "" : ` · ${number(call.ms)} ms`),
			call.progress && state === "running" ? progressBar(call.progress) : "",
		);
		if (state === this.state) return;
		this.root.dataset.state = this.state = state;
		if (state === "failed") this.details.open = true;
		this.#body.replaceChildren();
		this.#fill();
		this.#decide(call, state);
	}

	// Filled when opened: five hundred folded cards cost nothing.
	#fill() {
		if (!this.details.open || this.#body.firstChild) return;
		const {args, result, media = []} = this.call;
		this.#body.append(h("h4", t("args")), json(args ?? {}));
		if (result !== undefined) this.#body.append(h("h4", t("result")), show(result));
		const pictures = media.filter(({mime_type: type}) => type.startsWith("image/"));
		this.#body.append(...pictures.map(({mime_type: type, data}) => Object.assign(new Image(), {src: `data:${type};base64,${data}`, alt: t("result")})));
	}

	async #decide(call, state) {
		const [slot, talk] = [this.#slot, this.talk];
		const order = state === "done" && !call.readOnly && orderOf(call.result);
		slot.className = `slot ${order ? "receipt" : state}`;
		slot.replaceChildren();
		if (order) fillReceipt(slot, call, order, talk.save);
		if (state === "unknown") fillUnknown(slot, call, call.result === undefined && talk.answer);
		if (state === "waiting" && (await fillConfirm(slot, call, (yes, forEver) => talk.decide(this.id, yes, forEver)))) talk.page.asked(talk, this);
	}

	focus() {
		this.#slot.querySelector(".primary")?.focus({preventScroll: true});
	}
}
