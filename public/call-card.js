// A tool call as a card, with what a person must decide: the question before it, the receipt of a purchase, and what to
// do when the outcome is unknown.
import {callTool, findTool, messageOf, shopServer, sleep, statusKnown} from "./backend.js";
import {callState, entriesBefore} from "./call-states.js";
import {attr, button, focusIn, h, icon} from "./elements.js";
import {visible} from "./exact-text.js";
import {failureText, formatMoney, formatMs, localised, t, textOf} from "./i18n.js";
import {billOf, leftAfter, orderOf, purchaseOf} from "./purchase.js";
import {drawAnswer, drawExact, drawTable, isPlayable} from "./result-view.js";
import {progressBar, showRunning} from "./running-call.js";
import {readStock} from "./tool-client.js";
import {cellText} from "./tool-result.js";

/** @import {CallState} from "./call-states.js" */
/** @import {ConversationController} from "./conversation-controller.js" */

const ASKED_ANEW = ["approval_expired", "tool_changed"]; // by a call that follows
const PATIENCE_MS = 1000; // with a shop that does not say its prices: the card can be decided all the same
const DEAF_MS = 400; // so that an Enter meant for the question does not buy

/** What a promise brings in time, else undefined. @template T @param {Promise<T>} promise */
const inTime = promise => Promise.race([promise, sleep(PATIENCE_MS)]);

/** @param {string} label @param {string} value */
const fact = (label, value) => h(".row", h("dt", label), h("dd", h("bdi", visible(value))));

/** @type {(purchase: Purchase, stock: Stock, left: (productId: number) => unknown, sum: number | null) => HTMLElement} */
function drawBill(purchase, stock, left, sum) {
	const {customerName, idempotencyKey} = purchase;
	const price = h("dd.total.num", sum === null ? "–" : formatMoney(sum));
	const key = idempotencyKey && fact(t("sameKey"), idempotencyKey);
	return h(
		"",
		drawTable(billOf(purchase, stock, left).lines),
		h("dl.facts", fact(t("customer"), customerName), key, h(".row", h("dt", t("total")), price)),
		sum === null && h("p.quiet", t("noPrice")),
	);
}

/**
 * What a purchase costs, drawn at once, and again when a slow shop has said its prices; and the total that it shows.
 * @param {string} server @param {Purchase} purchase @returns {Promise<[HTMLElement, () => number | null]>}
 */
export async function askedBill(server, purchase) {
	const box = h("");
	/** @type {number | null} */
	let total = null;
	/** @param {Stock} stock */
	const show = stock => {
		total = billOf(purchase, stock, () => "").sum;
		box.replaceChildren(drawBill(purchase, stock, id => leftAfter(purchase, stock, id), total));
	};
	const reading = readStock(server, purchase.items);
	const stock = await inTime(reading);
	show(stock ?? {});
	if (!stock) reading.then(show);
	return [box, () => total];
}

/** The search among too many tools is no server's: it is named in the reader's language. @param {Call} call */
const isSearch = ({server, tool}) => !server && tool === "searchTools";

/** @param {Call} call */
const titleOf = call =>
	isSearch(call) ? t("searchTools") : visible(localised(textOf(call.title || call.tool)));

/** @param {Call} call */
const aboutOf = call => visible(isSearch(call) ? textOf(Object(call.args).query ?? "") : call.tool);

/** The call as it will be executed, whatever it claims to be. @param {Call} call */
const drawCall = ({server, tool, raw, args}) => [
	h("p.which", h("bdi", visible(server)), h("span.quiet", " · "), h("bdi", visible(tool))),
	drawExact(raw || textOf(args ?? {})),
];

/** What its server has asked, and nobody answered. @param {Call} call */
const openQuestions = ({questions = []}) => questions.filter(({answer}) => !answer);

export class CallCard {
	/** @type {CallState | ""} */
	state = "";
	#canRepeat = false;
	#asked = "";
	#body = h(".card-body");
	#summary = h("summary");
	#slot = h(".slot", attr({role: "group"}));
	/** @type {Map<string, HTMLElement>} what is being filled in stays while others are answered */
	#forms = new Map();

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
		const {conversation, answering} = this.controller;
		const state = callState(conversation, this.id, answering !== null);
		this.#summary.replaceChildren(
			icon(state === "asking" ? "waiting" : state),
			h("bdi.card-title", titleOf(call)),
			h("code", call.server && h("bdi", visible(call.server)), call.server && " · ", h("bdi", aboutOf(call))),
			h("span.card-state", t(state), call.ms === undefined ? "" : ` · ${formatMs(call.ms)}`),
			call.progress && state === "running" ? progressBar(call.progress) : "",
		);
		const canRepeat = ["unknown", "failed"].includes(state) && entriesBefore(conversation, this.id) !== null;
		const asked = openQuestions(call)
			.map(({id}) => id)
			.join();
		if (state === this.state && canRepeat === this.#canRepeat && asked === this.#asked) return;
		this.#canRepeat = canRepeat;
		this.#asked = asked;
		this.root.dataset.state = this.state = state;
		const hasFailed = state === "failed" && call.code !== "price_changed";
		if (hasFailed || (state === "done" && call.media?.some(isPlayable))) this.details.open = true;
		this.#body.replaceChildren();
		this.#fillBody();
		if (state === "asking") this.#showQuestions(call);
		else this.#fillSlot(call, state);
		this.#showRunning(call);
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
		this.#slot.className = `slot ${state}`;
		this.#slot.replaceChildren();
		const again = call.honoursKey && this.#canRepeat ? () => this.controller.repeat(this.id) : null;
		if (state === "unknown" && !ASKED_ANEW.includes(call.code ?? ""))
			this.#sayUnknown(call, call.result === undefined ? this.controller.answer : again);
		if (!["waiting", "done", "failed"].includes(state)) return;
		await inTime(statusKnown); // with it, which server the shop is
		const purchase = purchaseOf(call, shopServer()?.name);
		call.isPurchase ||= purchase !== null;
		if (state !== this.state) return;
		if (call.isPurchase && call.code === "price_changed") this.#sayPriceChanged(call, again);
		const order = state === "done" && call.isPurchase && orderOf(call.result ?? "");
		if (order) this.#showReceipt(call, order);
		if (state === "waiting") this.#ask(call, purchase);
	}

	/** @type {(label: string, sign: string, about: string, content: unknown[]) => void} */
	#fill(label, sign, about, content) {
		this.#slot.ariaLabel = label;
		this.#slot.replaceChildren(
			h("header", sign && icon(sign), h("strong", label), h("span.quiet", about)),
			h(".content", content),
		);
	}

	/** One that may yet have to be asked about does not run. @param {Call} call */
	#showRunning({readOnly, auto}) {
		const isDue = readOnly || auto || this.controller.conversation.approvals[this.id];
		if (this.state === "running" && isDue) showRunning(this.#slot, this.id, () => this.call);
	}

	/** Ask whether this call may run, once its stock has been read, or was not in time. @type {(call: Call, purchase: Purchase | null) => void} */
	async #ask(call, purchase) {
		const [bill, total] = purchase ? await askedBill(call.server, purchase) : [null, () => null];
		if (this.state !== "waiting") return;
		const always = h("input", attr({type: "checkbox"}));
		const shownAt = Date.now();
		const choose = (/** @type {boolean} */ yes) => (/** @type {MouseEvent} */ event) => {
			const isMeant = event.detail > 0 || Date.now() - shownAt > DEAF_MS;
			if (isMeant) this.controller.decide(this.id, yes, {forEver: always.checked, total: total()});
		};
		this.#fill(t(purchase ? "confirmBuy" : "confirmAsk"), "", t(purchase ? "notYet" : "notYetTool"), [
			call.why && h("p.warned", failureText(call.why)),
			call.mended && h("p.warned", t("mended")),
			...(bill ? [bill] : drawCall(call)),
		]);
		const yes = button(t(purchase ? "confirmBuy" : "confirmTool"), choose(true), ".primary");
		const row = h(".row", yes, button(t("cancel"), choose(false)));
		this.#slot.append(h("label.check", always, t("always")), row);
		this.controller.page.asked(this.controller, this);
	}

	/** What its server asks in the middle of it. @param {Call} call */
	async #showQuestions(call) {
		const {questionForm} = await import("./question-card.js");
		const open = openQuestions(call);
		if (this.state !== "asking") return;
		this.#slot.className = "slot waiting";
		const forms = open.map(question => {
			const known = this.#forms.get(question.id);
			const form =
				known ?? questionForm(question, answer => this.controller.respond(this.id, question, answer));
			this.#forms.set(question.id, form);
			return form;
		});
		if (open[0]) this.#fill(t("serverAsks", {server: visible(open[0].server)}), "", t("goesToServer"), forms);
		this.controller.page.asked(this.controller, this);
	}

	/** With the stock as it was right after it. @param {Call} call @param {Order} order */
	async #showReceipt(call, order) {
		this.#slot.className = "slot receipt";
		if (!call.stock) {
			const stock = await inTime(readStock(call.server, order.items));
			if (stock) call.stock = stock;
			this.controller.save();
		}
		const {stock = {}} = call;
		const [id, time] = [textOf(order.id), cellText("orderDate", order.orderDate)];
		this.#fill(t(call.replayed ? "replayedTitle" : "receipt"), "done", `${t("orderNo")} #${id} · ${time}`, [
			call.replayed && h("p.warned", t("replayed", {id, time})),
			drawBill(order, stock, productId => stock[productId]?.quantity ?? "–", order.totalAmount),
		]);
	}

	/** The same call can be sent again. @param {Call} call @param {(() => void) | null} retry */
	#sayUnknown(call, retry) {
		const found = h("", attr({role: "status"}));
		const customerName = purchaseOf(call, shopServer()?.name)?.customerName;
		const check = async () => {
			const args = {limit: 5, ...(customerName && {customerName})};
			const failed = (/** @type {unknown} */ error) => ({result: messageOf(error)});
			found.replaceChildren(drawAnswer(await callTool(call.server, "get_orders", args).catch(failed)));
		};
		const look = findTool("get_orders", call.server) && button(t("checkOrders"), check);
		const again = retry && button(t(call.honoursKey ? "unknownRetry" : "continue"), retry, ".primary");
		this.#fill(t("unknownTitle"), "unknown", "", [h("p", t(retry ? "unknownText" : "unknownFinal"))]);
		this.#slot.append(h(".row", again, look), found);
	}

	/** The shop asks another price now, which can be confirmed. @param {Call} call @param {(() => void) | null} again */
	#sayPriceChanged(call, again) {
		this.#slot.className = "slot unknown";
		this.#fill(t("priceChanged"), "unknown", "", [h("p", failureText(call))]);
		if (again) this.#slot.append(h(".row", button(t("confirmAgain"), again, ".primary")));
	}

	focusSummary() {
		this.#summary.focus({preventScroll: true});
	}

	focus() {
		focusIn(
			this.#slot,
			this.#slot.querySelector(".secret") ? ".primary" : ".asks :is(input, select), .primary",
		);
	}
}
