// A tool call as a card, with what a person must decide: the question before it, the receipt of a purchase, and what to
// do when the outcome is unknown.
import {callTool, findTool, inTime, messageOf, shopServer, statusKnown} from "./backend.js";
import {callState, entriesBefore, openCalls} from "./call-states.js";
import {typedAbout} from "./conversations.js";
import {attr, button, decision, focusIn, h, icon, isEscape, onEscape} from "./elements.js";
import {beginningOf, drawExact, visible} from "./exact-text.js";
import {failureText, formatMs, localised, t, textOf} from "./i18n.js";
import {orderOf, purchaseOf} from "./purchase.js";
import {drawAnswer, isPlayable} from "./result-view.js";
import {progressBar, showRunning} from "./running-call.js";
import {isObject, parseJson} from "./tool-result.js";

/** @import {CallState} from "./call-states.js" */
/** @import {ConversationController} from "./conversation-controller.js" */

const ASKED_ANEW = ["approval_expired", "tool_changed"]; // by a call that follows
/** @type {Record<string, string>} of states that have none of their own name */
const ICONS = {asking: "waiting", chosen: "done", refused: "x", failed: "x", halted: "x"};
const MAX_SAID = 300; // characters of a failure; all of it is in the result
const INTERNAL = /^[a-z0-9]+([_.][a-z0-9]+)+$/; // a name that only programs know

/** The search among too many tools is no server's: it is named in the reader's language. @param {Call} call */
const isSearch = ({server, tool}) => !server && tool === "searchTools";

/** @param {Call} call */
export const titleOf = call =>
	isSearch(call) ? t("searchTools") : visible(localised(textOf(call.title || call.tool)));

/** @param {Call} call */
const aboutOf = call => visible(isSearch(call) ? textOf(Object(call.args).query ?? "") : call.tool);

/** The call as it will be executed, whatever it claims to be. @param {Call} call */
const drawCall = ({server, tool, raw, args}) => [
	h("p.which", h("bdi", visible(server)), h("span.quiet", " · "), h("bdi", visible(tool))),
	drawExact(raw || textOf(args ?? {})),
];

/** A failure as a sentence: never JSON, nor a name that only programs know. @param {ToolAnswer} answer */
export function failureSentence(answer) {
	const said = failureText(answer).replace(/^Error executing tool [^:]*: /, "");
	/** @type {any} any: whatever a server wrote */
	const data = parseJson(said);
	const {message, detail, error} = Object(data);
	const parts = [message, detail, error?.message, error];
	const text = typeof data === "object" ? parts.find(part => typeof part === "string") : said;
	if (!text?.trim() || INTERNAL.test(text)) return t("toolFailed");
	return beginningOf(text, MAX_SAID);
}

/** Its arguments, as JSON to be changed; what was begun goes on. @param {HTMLElement} box @param {string} raw @param {Typed} typing @param {(args: Params) => void} change @param {() => void} back */
function editArguments(box, raw, {begun, typed}, change, back) {
	const field = h("textarea.args", attr({"aria-label": t("args")}), begun?.text ?? raw);
	const wrong = h("p.bad", attr({role: "alert"}));
	const update = () => {
		const args = parseJson(field.value);
		if (isObject(args)) change(args);
		else wrong.textContent = t("needJson");
	};
	const leave = () => {
		typed?.();
		back();
	};
	field.oninput = () => {
		wrong.textContent = "";
		typed?.({text: field.value});
	};
	onEscape(field, leave);
	box.replaceChildren(
		field,
		wrong,
		h(".row", button(t("update"), update, ".primary"), button(t("keepAsIs"), leave)),
	);
	if (!begun) field.focus();
}

/** What its server has asked, and nobody answered. @param {Call} call */
const openQuestions = ({questions = []}) => questions.filter(({answer}) => !answer);

/** The lazy part of all that is bought. */
const bills = () => import("./bill.js");

export class CallCard {
	/** @type {CallState | ""} */
	state = "";
	#canRepeat = false;
	#asked = "";
	/** @type {any} any: the address of the one that shows it */
	#app;
	#body = h(".card-body");
	#summary = h("summary");
	#slot = h(".slot", attr({role: "group"}));
	/** @type {WeakMap<Question, HTMLElement>} what is being filled in stays while others are answered */
	#forms = new WeakMap();

	/** @param {string} id @param {ConversationController} controller */
	constructor(id, controller) {
		this.id = id;
		this.controller = controller;
		this.details = h("details.card", attr({ontoggle: () => this.#fillBody()}), this.#summary, this.#body);
		this.root = h(".tool", this.details, this.#slot);
		this.#slot.addEventListener("keydown", event => {
			if (isEscape(event) && this.state === "waiting") this.#decide(false);
		});
	}

	get call() {
		return this.controller.conversation.calls[this.id];
	}

	update() {
		const {call} = this;
		const {conversation, answering} = this.controller;
		const state = callState(conversation, this.id, answering !== null);
		this.root.hidden = state === "replaced";
		this.#summary.replaceChildren(
			icon(ICONS[state] ?? state),
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
		if (state === "done" && call.media?.some(isPlayable)) this.details.open = true;
		this.#body.replaceChildren();
		this.#fillBody();
		this.#fillSlot(call, state);
		if (this.#isDue) showRunning(this.#slot, this.id, () => this.call);
		this.#showApp(call);
	}

	/** As soon as it runs. @param {Call} call */
	#showApp({app, tool, server, imported}) {
		this.#app ||= app?.uri ?? (this.#isDue ? findTool(tool, server)?.app : "");
		if (this.#app && !imported)
			import("./app-card.js").then(({showApp}) => showApp(this, this.#app)).catch(() => {}); // the result is there
	}

	/** Only once it is open: a long conversation has hundreds of folded cards. */
	#fillBody() {
		if (!this.details.open || this.#body.firstChild) return;
		const {args, raw, result, ...more} = this.call;
		this.#body.append(h("h2", t("args")), drawExact(raw || textOf(args ?? {})));
		if (result !== undefined) this.#body.append(h("h2", t("result")), drawAnswer({result, ...more}));
	}

	/** With a way to go on where what that needs cannot be loaded. @param {Call} call @param {CallState} state */
	#fillSlot(call, state) {
		const work = state === "asking" ? this.#showQuestions(call) : this.#drawSlot(call, state);
		work.catch(error => {
			const again = button(t("tryAgain"), () => this.#fillSlot(call, state));
			this.#fill(titleOf(call), "unknown", "", [h("p", messageOf(error)), h(".row", again)]);
		});
	}

	/** @param {Call} call @param {CallState} state */
	async #drawSlot(call, state) {
		this.#slot.className = `slot ${state}`;
		this.#slot.replaceChildren();
		const again = this.#canRepeat ? () => this.#again() : null;
		if (state === "unknown") this.#sayUnknown(call, again);
		if (!["waiting", "chosen", "refused", "running", "done", "failed"].includes(state)) return;
		await inTime(statusKnown); // and with it, which server the shop is
		const purchase = purchaseOf(call, shopServer()?.name);
		call.isPurchase ||= purchase !== null;
		if (state !== this.state) return;
		if (state === "failed") this.#sayFailed(call, again);
		const order = state === "done" && call.isPurchase && orderOf(call.result ?? "");
		if (order) return this.#showReceipt(call, order);
		if (state === "waiting") return this.#ask(call, purchase);
		if (call.result === undefined) this.#showChosen(call, purchase, state);
	}

	/** @type {(label: string, sign: string, about: string, content: unknown[]) => void} */
	#fill(label, sign, about, content) {
		this.#slot.ariaLabel = label;
		this.#slot.replaceChildren(
			h("header", sign && icon(sign), h("strong", label), h("span.quiet", about)),
			h(".content", content),
		);
	}

	/** Whether it runs: one that may yet have to be asked about does not. */
	get #isDue() {
		const {readOnly, auto} = this.call;
		const mayRun = readOnly || auto || this.controller.conversation.approvals[this.id];
		return this.state === "running" && mayRun;
	}

	/** @param {boolean} yes @param {Decision} [how] */
	#decide(yes, how) {
		this.#typed().typed?.();
		this.controller.decide(this.id, yes, how);
		document.dispatchEvent(new Event("news")); // others that wait have less left
	}

	/** The purchases that go out together with this one. @returns {Purchase[]} */
	#others() {
		const {conversation} = this.controller;
		const chosen = openCalls(conversation).filter(id => id !== this.id && conversation.approvals[id]);
		const purchases = chosen.map(id => purchaseOf(conversation.calls[id], shopServer()?.name));
		return purchases.filter(purchase => purchase !== null);
	}

	#typed(about = this.id) {
		return typedAbout(this.controller.conversation.id, about);
	}

	/** Ask whether this call may run. @param {Call} call @param {Purchase | null} purchase */
	async #ask(call, purchase) {
		const always = h("input", attr({type: "checkbox"}));
		const more = h("label.check", always, t("always"));
		const box = h(".content");
		let isShown = false;
		const isAsking = () => this.state === "waiting" && (!isShown || box.isConnected);
		const decide = (/** @type {boolean} */ yes, /** @type {number | null} */ total) =>
			this.#decide(yes, {forEver: always.checked, total});
		const {server} = call;
		if (purchase) {
			const change = (/** @type {Purchase} */ args) => this.controller.change(this.id, {input_data: args});
			const others = () => this.#others();
			const {askPurchase} = await bills();
			await askPurchase(box, {server, purchase, isAsking, decide, change, others, more, ...this.#typed()});
		} else {
			this.#askCall(box, call, decide, more);
			const redraw = () => this.#fillSlot(call, "waiting");
			bills().then(
				({onceShop}) => onceShop(call, box, isAsking, redraw),
				() => {},
			);
		}
		if (!isAsking()) return;
		isShown = true;
		this.#fill(t(purchase ? "confirmBuy" : "confirmAsk"), "", t(purchase ? "notYet" : "notYetTool"), [
			call.why && h("p.warned", failureText(call.why)),
			call.mended && h("p.warned", t("mended")),
			box,
		]);
		this.controller.page.asked(this.controller, this);
	}

	/** A call of any tool, as it will be executed; its arguments can be changed. @type {(box: HTMLElement, call: Call, decide: (yes: boolean, total: null) => void, more: HTMLElement) => void} */
	#askCall(box, call, decide, more) {
		const shown = {shownAt: performance.now()};
		const edit = () => {
			const change = (/** @type {Params} */ args) => this.controller.change(this.id, args);
			const back = () => {
				box.replaceChildren(...asked);
				focusIn(box, ".change");
			};
			editArguments(box, call.raw ?? "", this.#typed(), change, back);
		};
		const yes = decision(t("confirmTool"), shown, () => decide(true, null), ".primary");
		const no = decision(t("cancel"), shown, () => decide(false, null));
		const row = h(".row", yes, button(t("change"), edit, ".change"), no);
		const asked = [...drawCall(call), more, row];
		box.replaceChildren(...asked);
		if (this.#typed().begun?.text) edit();
	}

	/** What was decided, until all that goes out with it has come back. @param {Call} call @param {Purchase | null} purchase @param {CallState} state */
	async #showChosen(call, purchase, state) {
		const {approvals} = this.controller.conversation;
		if (!purchase || !(call.auto || this.id in approvals)) return;
		const {chosenBill} = await bills();
		if (state !== this.state) return;
		const said = t(state === "refused" ? "choseNo" : state === "running" ? "ordering" : "choseYes");
		const running = this.#slot.querySelector(":scope > .row"); // how long it runs, and how to stop it
		this.#fill(t("purchase"), ICONS[state] ?? state, said, [chosenBill(call.server, purchase)]);
		if (running) this.#slot.append(running);
	}

	/** What its server asks in the middle of it. @param {Call} call */
	async #showQuestions(call) {
		const {questionForm} = await import("./question-card.js");
		const open = openQuestions(call);
		if (this.state !== "asking") return;
		this.#slot.className = "slot waiting";
		const forms = open.map(question => {
			const typing = this.#typed(question.id);
			const respond = (/** @type {Answer} */ answer) => {
				typing.typed?.();
				this.controller.respond(this.id, question, answer);
			};
			const form = this.#forms.get(question) ?? questionForm(question, respond, typing);
			this.#forms.set(question, form);
			return form;
		});
		if (open[0]) this.#fill(t("serverAsks", {server: visible(open[0].server)}), "", t("goesToServer"), forms);
		this.controller.page.asked(this.controller, this);
	}

	/** With the stock as it was right after it. @param {Call} call @param {Order} order */
	async #showReceipt(call, order) {
		let isShown = false;
		// Only what is new is stored: another tab draws all anew, and its receipt too.
		const onread = () => {
			this.controller.save();
			if (isShown) this.#showReceipt(call, order);
		};
		const parts = await (await bills()).drawReceipt(call, order, onread);
		if (this.state !== "done") return;
		isShown = true;
		this.#slot.className = "slot receipt";
		this.#slot.ariaLabel = t(call.replayed ? "replayedTitle" : "receipt");
		this.#slot.replaceChildren(...parts);
	}

	/** The same call can be sent again. @param {Call} call @param {(() => void) | null} again */
	#sayUnknown(call, again) {
		if (ASKED_ANEW.includes(call.code ?? "")) return;
		const retry = call.result === undefined ? this.controller.answer : call.honoursKey && again;
		const found = h("", attr({role: "status"}));
		const customerName = purchaseOf(call, shopServer()?.name)?.customerName;
		const check = async () => {
			const args = {limit: 5, ...(customerName && {customerName})};
			const failed = (/** @type {unknown} */ error) => ({result: messageOf(error)});
			found.replaceChildren(drawAnswer(await callTool(call.server, "get_orders", args).catch(failed)));
		};
		const look = findTool("get_orders", call.server) && button(t("checkOrders"), check);
		const repeat = retry && button(t(call.honoursKey ? "unknownRetry" : "continue"), retry, ".primary");
		this.#fill(t("unknownTitle"), "unknown", "", [h("p", t(retry ? "unknownText" : "unknownFinal"))]);
		this.#slot.append(h(".row", repeat, look), found);
	}

	/** Under the same key where that makes it once; else the question is answered anew. */
	#again() {
		if (this.call.honoursKey) this.controller.repeat(this.id);
		else this.controller.regenerate();
	}

	/** Where the shop asks another price now, it can be confirmed. @param {Call} call @param {(() => void) | null} again */
	#sayFailed(call, again) {
		const isPrice = call.isPurchase && call.code === "price_changed";
		if (isPrice) this.#slot.className = "slot unknown";
		const label = t(isPrice ? "priceChanged" : call.isPurchase ? "notBought" : "notDone");
		this.#fill(label, "unknown", "", [h("p", failureSentence({result: "", ...call}))]);
		const text = t(isPrice ? "confirmAgain" : "tryAgain");
		if (again) this.#slot.append(h(".row", button(text, again, isPrice ? ".primary" : "")));
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
