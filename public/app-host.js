// The host's side of an MCP App (2026-01-26): JSON-RPC with the frame that stands on another origin. What an app may have
// of the page is decided by its card, see app-card.js.
import {isObject} from "./tool-result.js";

/** @typedef {(params: any) => unknown} Answerer any: whatever an app wrote */
/** @typedef {{requests: Record<string, Answerer>, hello: (params: any) => object, begin: (tell: (method: string, params: object) => void) => void, anew: () => void, resize: (height: number) => void, ends: () => void, over: (reason: string) => void}} Card `anew`: its document is another; `ends` comes at once, `over` when its frame has gone */

const PROTOCOL = "2026-01-26";
const START_MS = 30_000; // until an app has to have begun
const FAREWELL_MS = 500; // for an app that is to end
const MAX_OPEN = 16; // requests of one app
const MAX_LIVE = 6; // apps; the one that was begun first ends
const MAX_ASTRAY = 20; // messages to the page itself
const SIZE_MS = 100; // between two changes of its height
const BEAT_MS = 10_000; // between two questions whether it still answers
const MAX_MISSED = 3; // of them, one after the other, by an app that did answer
const ENDS = ["flood", "large", "left"]; // by the frame's own judgement, see app-frame.js
const MAX_THEFTS = 3; // of the keyboard
const TYPING_MS = 600; // after a key

/** What an app is refused with. @param {string} message @param {number} [code] */
export const refusal = (message, code = -32_000) => Object.assign(new Error(message), {code});

export class AppHost {
	/** @type {AppHost[]} */
	static live = [];
	isReady = false;
	#hasBegun = false; // with what has greeted last: of one document, two libraries may
	#document = 0; // how many its frame has shown: an answer goes to the one that has asked
	#open = 0;
	#astray = 0;
	#height = 0;
	#sizing = 0;
	#starting = 0;
	#beating = 0;
	#missed = -1; // until it has answered once
	#isOver = false;
	/** @type {() => void} */
	#farewell = () => {};

	/** @param {HTMLIFrameElement} frame @param {string} html @param {Card} card */
	constructor(frame, html, card) {
		this.frame = frame;
		this.html = html;
		this.card = card;
		this.origin = new URL(frame.src).origin;
		AppHost.live.push(this);
		const live = AppHost.live.filter(other => !other.#isOver);
		if (live.length > MAX_LIVE) live[0].end("many");
		this.#watchStart();
		this.#beating = setInterval(() => this.#beat(), BEAT_MS);
	}

	/** One whose process has ended, or which runs on without end, answers no more; some apps never do. */
	#beat() {
		if (!this.frame.isConnected) return this.end("gone");
		if (!this.isReady) return;
		if (this.#missed >= MAX_MISSED) return this.end("silent");
		if (this.#missed >= 0) this.#missed += 1;
		this.#post({id: "beat", method: "ping"});
	}

	/** @param {object} message */
	#post(message) {
		this.frame.contentWindow?.postMessage({jsonrpc: "2.0", ...message}, this.origin);
	}

	/** Before an app has begun it is told nothing. @param {string} method @param {object} params */
	tell(method, params) {
		if (this.isReady) this.#post({method: `ui/notifications/${method}`, params});
	}

	#watchStart() {
		this.isReady = this.#hasBegun = false;
		this.#missed = -1;
		clearTimeout(this.#starting);
		this.#starting = setTimeout(() => {
			// Unseen, it may wait to be drawn.
			if (document.hidden) this.#watchStart();
			else if (this.frame.isConnected && !this.isReady) this.end("silent");
		}, START_MS);
	}

	/** @param {string} reason */
	async end(reason) {
		if (this.#isOver) return;
		this.#isOver = true;
		clearInterval(this.#beating);
		this.card.ends();
		if (this.isReady && ["closed", "many"].includes(reason)) {
			const said = new Promise(resolve => {
				this.#farewell = () => resolve(null);
			});
			this.#post({id: "farewell", method: "ui/resource-teardown", params: {reason}});
			await Promise.race([said, new Promise(resolve => setTimeout(resolve, FAREWELL_MS))]);
		}
		AppHost.live = AppHost.live.filter(other => other !== this);
		this.frame.remove();
		this.card.over(reason);
	}

	/** @param {any} message */
	hear(message) {
		const {id, method, params} = Object(message);
		if (id === "farewell" && !method) return this.#farewell();
		if (id === "beat" && !method) this.#missed = 0;
		if (this.#isOver) return;
		if (method === "ui/notifications/sandbox-proxy-ready") {
			this.#document += 1;
			this.card.anew();
			this.#watchStart();
			return this.#post({method: "ui/notifications/sandbox-resource-ready", params: {html: this.html}});
		}
		if (method === "ui/notifications/sandbox-ended")
			return this.end(ENDS.includes(params?.reason) ? params.reason : "closed");
		if (typeof method !== "string") return;
		if (typeof id === "string" || typeof id === "number") this.#answer(id, method, params);
		else if (method === "ui/notifications/initialized") this.#begin();
		else if (method === "ui/notifications/size-changed") this.#resize(params?.height);
		else if (method === "ui/notifications/request-teardown") this.end("closed");
	}

	#begin() {
		if (this.#hasBegun) return;
		this.isReady = this.#hasBegun = true;
		this.card.begin((about, what) => this.tell(about, what));
		this.#beat();
	}

	/** @param {unknown} height */
	#resize(height) {
		if (typeof height !== "number" || !Number.isFinite(height)) return;
		this.#height = height;
		this.#sizing ||= setTimeout(() => {
			this.#sizing = 0;
			this.card.resize(this.#height);
		}, SIZE_MS);
	}

	/** @param {string | number} id @param {string} method @param {unknown} params */
	async #answer(id, method, params) {
		this.#open += 1;
		const asking = this.#document;
		const answer = (/** @type {object} */ said) => asking === this.#document && this.#post({id, ...said});
		try {
			if (this.#open > MAX_OPEN) throw refusal("Too many requests");
			answer({result: await this.#result(method, isObject(params) ? params : {})});
		} catch (error) {
			const {code, message} = Object(error);
			answer({error: {code: typeof code === "number" ? code : -32_000, message: `${message}`}});
		} finally {
			this.#open -= 1;
		}
	}

	/** @param {string} method @param {Params} params */
	async #result(method, params) {
		if (method === "ping") return {};
		if (method === "ui/initialize") {
			this.#hasBegun = false;
			return {protocolVersion: PROTOCOL, ...this.card.hello(params)};
		}
		const known = Object.hasOwn(this.card.requests, method) && this.card.requests[method];
		if (!known) throw refusal("Method not found", -32_601);
		if (!this.isReady) throw refusal("Not initialized");
		return known(params);
	}

	/** An app may not speak to the page past its frame; one that goes on doing so is over. */
	strays() {
		this.#astray += 1;
		if (this.#astray > MAX_ASTRAY) this.end("flood");
	}
}

/** Whose frame a window is in; one that has gone is nobody's. @param {any} source any: a window of another origin, of which next to nothing can be read */
function hostOf(source) {
	for (let window = source; window; window = window.parent) {
		const found = AppHost.live.find(({frame}) => frame.contentWindow === window);
		if (found || window === window.parent) return found;
	}
}

addEventListener("message", ({source, origin, data}) => {
	const host = hostOf(source);
	if (!host) return;
	if (source === host.frame.contentWindow && origin === host.origin) host.hear(data);
	else host.strays();
});

/** What is typed into the page goes to no app: the focus comes to one by a pointer or by Tab, and one that takes it is over. */
let [lastKey, typedAt] = ["", Number.NEGATIVE_INFINITY];
/** @type {WeakMap<AppHost, number>} */
const thefts = new WeakMap();
/** @param {Event} event */
const noteKey = event => {
	lastKey = event instanceof KeyboardEvent ? event.key : "";
	typedAt = lastKey ? performance.now() : Number.NEGATIVE_INFINITY;
};
addEventListener("keydown", noteKey, true);
addEventListener("pointerdown", noteKey, true);
addEventListener("focusout", ({target}) => {
	setTimeout(() => {
		const frame = document.activeElement;
		const host = AppHost.live.find(each => each.frame === frame);
		if (!host || lastKey === "Tab") return;
		const isPointed = host.frame.matches(":hover") || matchMedia("(hover: none)").matches;
		if (isPointed && performance.now() - typedAt > TYPING_MS) return;
		const count = (thefts.get(host) ?? 0) + 1;
		thefts.set(host, count);
		if (count > MAX_THEFTS) host.end("focus");
		if (target instanceof HTMLElement) target.focus({preventScroll: true});
	});
});
