// A tool call as a card, with what a person must decide.
import {callState, entriesBefore} from "./call-states.js";
import {attr, h, icon} from "./elements.js";
import {visible} from "./exact-text.js";
import {formatNumber, t, textOf} from "./i18n.js";
import {orderOf} from "./purchase.js";
import {fillConfirm, fillPriceChanged, fillReceipt, fillUnknown, knownPurchase} from "./purchase-card.js";
import {drawAnswer, drawExact} from "./result-view.js";

/** @import {CallState} from "./call-states.js" */
/** @import {ConversationController} from "./conversation-controller.js" */

const ASKED_ANEW = ["approval_expired", "tool_changed"]; // by a call that follows

/** @param {Progress} progress */
const progressBar = ({progress, total, message}) =>
	h(
		"span.progress",
		h("progress", attr({"aria-label": t("running"), max: total ?? 1, value: total ? progress : null})),
		message,
	);

export class CallCard {
	/** @type {CallState | ""} */
	state = "";
	#canRepeat = false;
	#body = h(".card-body");
	#summary = h("summary");
	#slot = h(".slot", attr({role: "group"}));

	/** @param {string} id @param {ConversationController} controller */
	constructor(id, controller) {
		this.id = id;
		this.controller = controller;
		this.details = h("details.card", attr({ontoggle: () => this.#fillBody()}), this.#summary, this.#body);
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
			h("bdi.card-title", visible(textOf(call.title || call.tool))),
			h("code", h("bdi", visible(call.server)), " · ", h("bdi", visible(call.tool))),
			h("span.card-state", t(state), call.ms === undefined ? "" : ` · ${formatNumber(call.ms)} ms`),
			call.progress && state === "running" ? progressBar(call.progress) : "",
		);
		const canRepeat =
			["unknown", "failed"].includes(state) && entriesBefore(this.controller.conversation, this.id) !== null;
		if (state === this.state && canRepeat === this.#canRepeat) return;
		this.#canRepeat = canRepeat;
		this.root.dataset.state = this.state = state;
		if (state === "failed" && call.code !== "price_changed") this.details.open = true;
		this.#body.replaceChildren();
		this.#fillBody();
		this.#fillSlot(call, state);
	}

	/** Only once it is open: a long conversation has hundreds of folded cards. */
	#fillBody() {
		if (!this.details.open || this.#body.firstChild) return;
		const {args, raw, result, ...more} = this.call;
		this.#body.append(h("h4", t("args")), drawExact(raw || textOf(args ?? {})));
		if (result !== undefined) this.#body.append(h("h4", t("result")), drawAnswer({result, ...more}));
	}

	/** @param {Call} call @param {CallState} state */
	async #fillSlot(call, state) {
		const slot = this.#slot;
		const {controller} = this;
		slot.className = `slot ${state}`;
		slot.replaceChildren();
		const again = call.honoursKey && this.#canRepeat ? () => controller.repeat(this.id) : null;
		if (state === "unknown" && !ASKED_ANEW.includes(call.code ?? ""))
			fillUnknown(slot, call, call.result === undefined ? controller.answer : again);
		if (!["waiting", "done", "failed"].includes(state)) return;
		call.isPurchase ||= (await knownPurchase(call)) !== null;
		if (state !== this.state) return;
		if (call.isPurchase && call.code === "price_changed") fillPriceChanged(slot, call, again);
		const order = state === "done" && call.isPurchase && orderOf(call.result ?? "");
		if (order) {
			slot.className = "slot receipt";
			fillReceipt(slot, call, order, controller.save);
		}
		if (state === "waiting") this.#ask(call);
	}

	/** @param {Call} call */
	async #ask(call) {
		const {controller} = this;
		const isShown = await fillConfirm(this.#slot, call, (yes, how) => controller.decide(this.id, yes, how));
		if (isShown) controller.page.asked(controller, this);
	}

	focusSummary() {
		this.#summary.focus({preventScroll: true});
	}

	focus() {
		/** @type {HTMLElement | null} */
		const primary = this.#slot.querySelector(".primary");
		primary?.focus({preventScroll: true});
	}
}
