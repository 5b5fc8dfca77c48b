// The face that a server gives its call (MCP Apps), in the call's card, after one click for the server.
import {appsOrigin, frameAddress, onDisplay, readApp, resultOf, surroundings} from "./app-about.js";
import {ASKING, Asks, moved} from "./app-asks.js";
import {AppHost} from "./app-host.js";
import {findTool, messageOf, status} from "./backend.js";
import {attr, button, h, iconButton, loadStyle, onceSeen, openDialog} from "./elements.js";
import {drawExact, visible} from "./exact-text.js";
import {sizeText, t} from "./i18n.js";
import {isListed, listedTools, listTool} from "./preferences.js";
import {isObject} from "./tool-result.js";

/** @import {CallCard} from "./call-card.js" */
/** @import {App} from "./app-about.js" */

const MIN_PX = 40;
const MAX_SHARE = 0.8; // of the window's height
const AGAIN_MS = 1000;
const MODES = ["inline", "fullscreen"];

onDisplay(now => {
	for (const host of AppHost.live) host.tell("host-context-changed", now);
});

export class AppView {
	/** @type {AppHost | null} */
	#host = null;
	#isAway = false; // its document could not be read
	#height = 0;
	#fitting = 0;
	#placed = ""; // where it knows that it is shown
	#said = ""; // for the model
	word = {name: "", size: 0, text: ""}; // that
	#tells = button("", () => this.#showWord());
	#told = ""; // how far the call had come
	#view = h(".app-view");
	#whole = button(t("appWhole"), () => this.#show(this.mode === "inline" ? "fullscreen" : "inline"));
	/** @type {Asks | null} anew each time it is shown */
	#asks = null;
	root = h(".app-box", attr({role: "group"}));

	/** @param {CallCard} card @param {string} uri */
	constructor(card, uri) {
		this.card = card;
		this.uri = uri;
		this.server = card.call.server;
		this.#tells.hidden = true;
		this.root.ariaLabel = t("appOf", {server: visible(this.server)});
		this.root.addEventListener("keydown", ({key}) => key === "Escape" && this.#show("inline"));
	}

	get mode() {
		return this.root.matches(":popover-open") ? "fullscreen" : "inline";
	}

	/** Show it, or ask whether to: again where the server, or what its app reaches, is another. */
	async offer() {
		this.root.replaceChildren(); // nobody presses twice
		this.#isAway = false;
		delete this.root.dataset.offer;
		try {
			const app = await readApp(this.server, this.uri);
			const addresses = [...new Set(Object.values(app.csp).flat())].sort().join(" ");
			const {fingerprint} = status.servers.find(({name}) => name === this.server) ?? {};
			const consent = {server: this.server, tool: addresses, fingerprint};
			const begin = () => {
				const isAllowed = isListed(listedTools("apps"), consent);
				if (!isAllowed || !this.root.isConnected) return isAllowed;
				document.removeEventListener("apps", begin);
				delete this.root.dataset.offer;
				this.#begin(app, consent);
				return true;
			};
			if (begin()) return;
			document.addEventListener("apps", begin); // the server's others need no click of their own
			const asked = `${this.server} ${addresses}`;
			const isAsked = (/** @type {Element} */ box) => box.getAttribute("data-offer") === asked;
			const seen = [...document.querySelectorAll(".app-box")].filter(box => box.checkVisibility());
			if (seen.some(isAsked)) return; // once is enough
			const show = () => {
				listTool("apps", consent, true);
				document.dispatchEvent(new Event("apps"));
			};
			this.#say(t("appOffer", {server: visible(this.server)}), show);
			this.root.dataset.offer = asked;
			if (addresses) this.root.append(h("p.quiet", t("appReaches", {addresses})));
		} catch (error) {
			this.#isAway = true;
			this.#say(messageOf(error));
			this.tellOutcome();
		}
	}

	/** @param {string} text @param {() => unknown} [show] */
	#say(text, show = () => this.offer()) {
		this.root.replaceChildren(h("p.row", h("span.quiet", text), button(t("appShow"), show)));
	}

	/** @param {App} app */
	#draw(app) {
		const asks = new Asks(this.server, () => this.#fit());
		this.#asks = asks;
		moved();
		const frame = document.createElement("iframe");
		// The origin is its own, and not the page's; a form only tells the app, since the policy lets none go out.
		frame.setAttribute("sandbox", "allow-scripts allow-same-origin allow-forms");
		frame.setAttribute("credentialless", "");
		frame.title = this.root.ariaLabel ?? "";
		frame.src = frameAddress(app);
		const cross = iconButton("x", () => this.#host?.end("closed"), t("appClose"));
		this.#view.replaceChildren(frame);
		this.#view.toggleAttribute("data-border", app.hasBorder);
		this.root.replaceChildren(
			h("header", h("span.quiet", this.root.ariaLabel), this.#tells, this.#whole, cross),
			this.#view,
			asks.box,
		);
		return {frame, asks};
	}

	/** @param {App} app @param {ListedTool} consent */
	#begin(app, consent) {
		const {frame, asks} = this.#draw(app);
		const running = new AbortController();
		const host = new AppHost(frame, app.html, {
			requests: this.#requests(frame, asks),
			hello: params => this.#hello(app, params),
			begin: tell => {
				const {args} = this.card.call;
				tell("tool-input", {arguments: isObject(args) ? args : {}});
				this.#told = "";
				this.tellOutcome();
			},
			anew: () => asks.close(),
			resize: height => {
				this.#height = height;
				this.#fit();
			},
			ends: () => {
				running.abort();
				asks.end();
			},
			over: reason => this.#over(reason),
		});
		this.#host = host;
		this.#watch(host, consent, running.signal);
	}

	/** @param {AppHost} host @param {ListedTool} consent @param {AbortSignal} signal */
	#watch(host, consent, signal) {
		const place = () => (host.frame.isConnected ? this.#tellPlace() : host.end("gone"));
		const size = new ResizeObserver(place);
		size.observe(this.#view);
		signal.addEventListener("abort", () => size.disconnect());
		addEventListener("resize", place, {signal}); // its height may be as it was, and the most another
		// Taken back, here or in another tab, it ends.
		const recheck = () => isListed(listedTools("apps"), consent) || host.end("closed");
		document.getElementById("allowed")?.addEventListener("click", recheck, {signal});
		addEventListener("storage", recheck, {signal});
	}

	/** One whose card has gone begins anew with its card. @param {string} reason */
	#over(reason) {
		this.#inform("");
		moved();
		this.#show("inline");
		this.root.popover = null; // also where its card went while it had the whole window
		if (reason !== "gone") return this.#say(t(`appEnd_${reason}`));
		this.root.replaceChildren();
		onceSeen(this.root, () => this.offer());
	}

	/** What came of the call, once something has; one that was repeated has another outcome. */
	tellOutcome() {
		const {call, state} = this.card;
		if (this.#isAway && state === "failed") this.root.replaceChildren(); // the call says why
		if (!this.#host?.isReady || state === this.#told) return;
		this.#told = state;
		if (["done", "failed"].includes(state)) this.#host.tell("tool-result", resultOf(call));
		if (state === "unknown")
			this.#host.tell("tool-result", resultOf({code: "outcome_unknown", ...call, isError: true}));
		if (["halted", "refused"].includes(state)) this.#host.tell("tool-cancelled", {reason: state});
	}

	/** The model gets it with the next question, as the app's word; an app that is over has none. @param {string} text */
	#inform(text) {
		if (text === this.#said) return;
		this.#said = text;
		this.unsay();
		if (!text) return;
		const {size} = new Blob([text]);
		this.word = {name: this.root.ariaLabel ?? "", size, text};
		this.card.controller.words.set(this.card.id, this);
		this.#tells.textContent = t("appTells", {size: sizeText(size)});
		this.#tells.hidden = false;
	}

	/** It has gone out, or is not to. */
	unsay() {
		const {id, controller} = this.card;
		if (controller.words.get(id) === this) controller.words.delete(id);
		this.#tells.hidden = true;
	}

	/** A person sees it before it goes out, and may remove it. */
	#showWord() {
		const {text} = this.word;
		const remove = () => {
			if (this.word.text === text) this.unsay(); // what was seen
			dialog.close();
		};
		const no = button(t("detach"), remove);
		const dialog = openDialog(t("appTold"), drawExact(text), h(".row", no));
	}

	/** @param {App} app @param {any} params any: the app's */
	#hello({csp}, params) {
		const modes = params.appCapabilities?.availableDisplayModes;
		this.#whole.hidden = Array.isArray(modes) && !modes.includes("fullscreen");
		const sandbox = {permissions: {}, csp};
		const updateModelContext = {text: {}, structuredContent: {}};
		const place = this.#place();
		this.#placed = JSON.stringify(place);
		return {
			hostInfo: {name: "product-mcp", version: "1"},
			hostCapabilities: {
				openLinks: {},
				serverTools: {},
				serverResources: {},
				message: {text: {}},
				updateModelContext,
				sandbox,
			},
			hostContext: {...surroundings(), ...place, toolInfo: {tool: this.#tool()}},
		};
	}

	#tool() {
		const {tool: name} = this.card.call;
		return {name, inputSchema: findTool(name, this.server)?.input_schema ?? {type: "object"}};
	}

	#place() {
		const {clientWidth: width, clientHeight: height} = this.#view;
		const isInline = this.mode === "inline";
		return {
			displayMode: this.mode,
			containerDimensions: isInline ? {width, maxHeight: this.#max} : {width, height},
		};
	}

	/** Once that has changed; in a line that is folded it is nowhere. */
	#tellPlace() {
		const place = this.#place();
		const placed = JSON.stringify(place);
		if (!this.#view.clientWidth || placed === this.#placed) return;
		this.#placed = placed;
		this.#host?.tell("host-context-changed", place);
	}

	get #max() {
		return Math.round(innerHeight * MAX_SHARE);
	}

	/** Nothing moves below a finger that is to confirm. */
	#fit() {
		const height = `${Math.min(Math.max(this.#height, MIN_PX), this.#max)}px`;
		const {style} = this.#view;
		const now = style.getPropertyValue("--app-height");
		if (!this.#height || height === now) return;
		clearTimeout(this.#fitting);
		if (this.#asks?.isOpen || (now && document.querySelector(ASKING))) {
			this.#fitting = setTimeout(() => this.#fit(), AGAIN_MS);
			return;
		}
		moved();
		style.setProperty("--app-height", height);
	}

	/** @param {string} mode */
	#show(mode) {
		if (mode === this.mode || this.#asks?.isOpen) return;
		this.root.popover = mode === "fullscreen" ? "manual" : null;
		if (mode === "fullscreen") this.root.showPopover();
		this.#whole.textContent = t(mode === "fullscreen" ? "appPart" : "appWhole");
		this.#tellPlace();
	}

	/** @param {HTMLIFrameElement} frame @param {Asks} asks @returns {Record<string, import("./app-host.js").Answerer>} */
	#requests(frame, asks) {
		return {
			"tools/call": params => asks.call(params),
			"resources/read": params => asks.read(params),
			"ui/open-link": params => asks.openLink(params),
			"ui/update-model-context": params => {
				this.#inform(asks.context(params));
				return {};
			},
			"ui/message": async params => {
				const text = await asks.message(params);
				this.#show("inline");
				this.card.controller.say(text);
				return {};
			},
			// All of the window only for who is using it.
			"ui/request-display-mode": ({mode}) => {
				const isWanted = mode === "inline" || (document.activeElement === frame && !this.#whole.hidden);
				if (MODES.includes(mode) && isWanted) this.#show(mode);
				return {mode: this.mode};
			},
		};
	}
}

/** @type {WeakMap<CallCard, AppView>} */
const views = new WeakMap();
/** Once the card is seen. @param {CallCard} card @param {string} uri */
export async function showApp(card, uri) {
	if (views.has(card)) return views.get(card)?.tellOutcome();
	if (!appsOrigin()) return;
	const view = new AppView(card, uri);
	views.set(card, view);
	await loadStyle("app-card.css");
	card.root.append(view.root);
	onceSeen(view.root, () => view.offer());
}
