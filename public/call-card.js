// A tool call as a card, with what a person must decide.
import {callState} from "./call-states.js";
import {h, icon} from "./elements.js";
import {formatNumber, t} from "./i18n.js";
import {orderOf} from "./purchase.js";
import {fillConfirm, fillReceipt, fillUnknown} from "./purchase-card.js";
import {drawAnswer, drawJson} from "./result-view.js";

/** @import {CallState} from "./call-states.js" */
/** @import {ConversationController} from "./conversation-controller.js" */
/** @import {Call, Media, Progress} from "./conversations.js" */

/** @param {Progress} progress */
const progressBar = ({progress, total, message}) =>
	h(
		"span.progress",
		h("progress", {ariaLabel: t("running"), max: total ?? 1, value: total ? progress : null}),
		message,
	);

/** @param {Media} picture */
const drawPicture = ({mime_type: type, data}) =>
	Object.assign(new Image(), {src: `data:${type};base64,${data}`, alt: t("result")});

export class CallCard {
	/** @type {CallState | ""} */
	state = "";
	#body = h(".card-body");
	#summary = h("summary");
	#slot = h(".slot", {role: "group"});

	/** @param {string} id @param {ConversationController} controller */
	constructor(id, controller) {
		this.id = id;
		this.controller = controller;
		this.details = h("details.card", {ontoggle: () => this.#fillBody()}, this.#summary, this.#body);
		this.root = h(".tool", this.details, this.#slot);
		this.#slot.addEventListener("keydown", ({key}) => {
			if (key === "Escape" && this.state === "waiting") controller.decide(id, false);
		});
	}

	get call() {
		return this.controller.conversation.calls[this.id];
	}

	update() {
		const {call} = this;
		const state = callState(this.controller.conversation, this.id, this.controller.answering !== null);
		this.#summary.replaceChildren(
			icon(state),
			h("span.card-title", call.title || call.tool),
			h("code", `${call.server} · ${call.tool}`),
			h("span.card-state", t(state), call.ms === undefined ? "" : ` · ${formatNumber(call.ms)} ms`),
			call.progress && state === "running" ? progressBar(call.progress) : "",
		);
		if (state === this.state) return;
		this.root.dataset.state = this.state = state;
		if (state === "failed") this.details.open = true;
		this.#body.replaceChildren();
		this.#fillBody();
		this.#fillSlot(call, state);
	}

	/** Only once it is open: a long conversation has hundreds of folded cards. */
	#fillBody() {
		if (!this.details.open || this.#body.firstChild) return;
		const {args, result, media = [], ...failure} = this.call;
		this.#body.append(h("h4", t("args")), drawJson(args ?? {}));
		if (result !== undefined) this.#body.append(h("h4", t("result")), drawAnswer({result, ...failure}));
		this.#body.append(...media.filter(({mime_type: type}) => type.startsWith("image/")).map(drawPicture));
	}

	/** @param {Call} call @param {CallState} state */
	async #fillSlot(call, state) {
		const slot = this.#slot;
		const {controller} = this;
		const order = state === "done" && !call.readOnly && orderOf(call.result ?? "");
		slot.className = `slot ${order ? "receipt" : state}`;
		slot.replaceChildren();
		if (order) fillReceipt(slot, call, order, controller.save);
		if (state === "unknown") fillUnknown(slot, call, call.result === undefined ? controller.answer : null);
		if (state !== "waiting") return;
		const isShown = await fillConfirm(slot, call, (yes, forEver) => controller.decide(this.id, yes, forEver));
		if (isShown) controller.page.asked(controller, this);
	}

	focus() {
		/** @type {HTMLElement | null} */
		const primary = this.#slot.querySelector(".primary");
		primary?.focus({preventScroll: true});
	}
}
