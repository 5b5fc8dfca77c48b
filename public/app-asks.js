// What an MCP App may ask for: its server's tools and resources, a link, a message. What changes something is asked about
// below its frame, where it can cover nothing.
import {resultOf} from "./app-about.js";
import {refusal} from "./app-host.js";
import {
	failureOf,
	isUnknown,
	messageOf,
	newKey,
	readContents,
	send,
	shopServer,
	sleep,
	status,
} from "./backend.js";
import {attr, button, h, onEscape} from "./elements.js";
import {drawExact, visible} from "./exact-text.js";
import {t} from "./i18n.js";
import {allowForEver, isListed, listedTools, toolsThatAsk} from "./preferences.js";
import {purchaseOf} from "./purchase.js";
import {isObject} from "./tool-result.js";

/** @typedef {{args: Params, confirmed: object | null}} Agreed what of it a person agreed to */
/** @typedef {(box: HTMLElement, choose: (chosen: any) => void) => unknown} Fill any: what was chosen; null is no */

const MAX_TEXT = 4000; // characters of a message, or of an address
const MAX_CONTEXT = 20_000; // characters that a question takes along: as of a result
const MAX_REFUSED = 3; // times one after the other; then the app is not heard any more
const AT_ONCE = 10;
const PACE_MS = 100; // between two requests that go to the server
const DEAF_MS = 600; // for a click that was meant for the app
const KEY = /^[!-~]{1,200}$/;
const INVALID = -32_602;

/** The text of an app's content. @param {any} content any: an app's */
function textOf(content) {
	const texts = [content ?? []].flat().map(block => (block?.type === "text" ? block.text : null));
	if (!texts.every(text => typeof text === "string")) throw refusal("Invalid content format", INVALID);
	return texts.join("\n");
}

/** A question that is open, in any card. */
export const ASKING = ".slot.waiting:not(:empty)";

let standing = 0;
/** What stands below an app may have come under a pointer: a press there counts once it has stood still. */
export function moved() {
	const root = document.documentElement;
	root.toggleAttribute("data-moved", true);
	clearTimeout(standing);
	standing = setTimeout(() => root.removeAttribute("data-moved"), DEAF_MS);
}

export class Asks {
	isOpen = false;
	#isOver = false;
	#refused = 0;
	#due = 0;
	#cancel = () => {};
	box = h(".slot.waiting", attr({role: "group"}));

	/** @param {string} server @param {() => void} onclosed */
	constructor(server, onclosed) {
		this.server = server;
		this.onclosed = onclosed;
		onEscape(this.box, () => this.close());
	}

	/** What is open is refused. */
	close() {
		this.isOpen = false;
		this.#cancel();
	}

	/** And so is all that follows. */
	end() {
		this.#isOver = true;
		this.close();
	}

	/** One at a time. @param {string} title @param {Fill} fill */
	async ask(title, fill) {
		if (this.isOpen || this.#isOver || this.#refused >= MAX_REFUSED) throw refusal("Denied");
		this.isOpen = true;
		const content = Object.assign(h(".content"), {inert: true});
		setTimeout(() => {
			content.inert = false;
		}, DEAF_MS);
		moved();
		this.box.replaceChildren(h("header", h("strong", attr({role: "alert"}), title)), content);
		const chosen = await new Promise(resolve => {
			this.#cancel = () => resolve(null);
			fill(content, resolve);
		});
		this.isOpen = false;
		moved();
		this.box.replaceChildren();
		this.onclosed();
		this.#refused = chosen === null ? this.#refused + 1 : 0;
		if (chosen === null) throw refusal("Denied by the user");
		return chosen;
	}

	/** @param {string} title @param {string} text exactly what it is about @param {string} label @param {HTMLElement} [more] */
	askAbout(title, text, label, more) {
		return this.ask(title, (box, choose) => {
			const no = button(t("cancel"), () => choose(null));
			const yes = button(label, () => choose(true), ".primary");
			box.append(drawExact(text), more ?? "", h(".row", yes, no));
		});
	}

	/** @param {any} params any: an app's */
	async openLink({url}) {
		const to = typeof url === "string" && url.length <= MAX_TEXT && URL.canParse(url) ? new URL(url) : null;
		// A name and a password before the host are there to be taken for it.
		if (!to || !/^https?:$/.test(to.protocol) || to.username || to.password)
			throw refusal("Invalid URL", INVALID);
		await this.askAbout(t("appLink"), to.href, t("appOpen"));
		window.open(to.href, "_blank", "noopener,noreferrer");
		return {};
	}

	/** What a person let go into the conversation. @param {any} params any: an app's @returns {Promise<string>} */
	async message({content}) {
		const text = textOf(content);
		if (!text.trim() || text.length > MAX_TEXT) throw refusal("Invalid message format", INVALID);
		await this.askAbout(t("appMessage"), text, t("send"));
		return text;
	}

	/** What the model is to know with the next question; nothing takes it back. @param {any} params any: an app's */
	context({content, structuredContent: data = {}}) {
		if (!isObject(data)) throw refusal("Invalid content format", INVALID);
		const text = [textOf(content), Object.keys(data).length ? JSON.stringify(data) : ""].join("\n").trim();
		if (text.length > MAX_CONTEXT) throw refusal("Too long", INVALID);
		return text;
	}

	/** Some go out at once, many one after the other; what has waited until the app's end does not. */
	async #pace() {
		const now = performance.now();
		this.#due = Math.max(this.#due + PACE_MS, now - PACE_MS * AT_ONCE);
		await sleep(Math.max(0, this.#due - now));
		if (this.#isOver || !this.box.isConnected) throw refusal("Closed");
	}

	/** @param {any} params any: an app's */
	async read({uri}) {
		if (typeof uri !== "string") throw refusal("Invalid params", INVALID);
		await this.#pace();
		const contents = await readContents(this.server, uri);
		return {
			contents: contents.map(({html: _, ui, ...content}) => ({...content, ...(ui ? {_meta: {ui}} : {})})),
		};
	}

	/** A tool that apps may call, and nobody has switched off. @param {unknown} name */
	#tool(name) {
		const {server} = this;
		const all = [...status.tools, ...(status.appTools ?? [])];
		const tool = all.find(each => each.server === server && each.name === name);
		if (!tool || tool.appsMay === false) throw refusal("No such tool", INVALID);
		const off = listedTools("off");
		const isOff = [tool.name, ""].some(each => isListed(off, {server, tool: each}));
		if (isOff) throw refusal("Switched off");
		return tool;
	}

	/** It is asked about as a call of the model's is; the tool runs only while it is the one that was listed. @param {any} params any: an app's */
	async call({name, arguments: args = {}, _meta: meta}) {
		const tool = this.#tool(name);
		if (!isObject(args)) throw refusal("Invalid params", INVALID);
		const {server, fingerprint} = tool;
		const listed = {server, tool: tool.name, fingerprint};
		const asks = tool.readOnly ? isListed(toolsThatAsk(), listed) : !isListed(listedTools("always"), listed);
		const agreed = asks ? await this.#askCall(tool, args) : {args, confirmed: null};
		const given = meta?.["idempotency-key"];
		const key = typeof given === "string" && KEY.test(given) ? given : newKey();
		const body = {server, name, fingerprint, app: true, ...agreed};
		await this.#pace();
		try {
			return resultOf(await (await send("api/call-tool", body, undefined, key)).json());
		} catch (error) {
			const {code, params} = failureOf(error) ?? {};
			const known = isUnknown(error) && !tool.readOnly ? "outcome_unknown" : code;
			return resultOf({result: messageOf(error), isError: true, code: known, params: params ?? {}});
		}
	}

	/** @param {Tool} tool @param {Params} args @returns {Promise<Agreed>} */
	async #askCall(tool, args) {
		const {server, name, honoursKey, fingerprint} = tool;
		const always = h("input", attr({type: "checkbox"}));
		const more = h("label.check", always, t("always"));
		const raw = JSON.stringify(args);
		const purchase = purchaseOf({server, tool: name, honoursKey, raw}, shopServer()?.name);
		const title = t("appCalls", {server: visible(server), tool: visible(name)});
		const agreed = purchase
			? await this.ask(t("confirmBuy"), this.#bill(args, purchase, more))
			: await this.askAbout(title, raw, t("confirmTool"), more).then(() => ({args, confirmed: {}}));
		if (always.checked) allowForEver({server, tool: name, fingerprint});
		return agreed;
	}

	/** With what it costs, and it can be changed. @type {(args: Params, purchase: Purchase, more: HTMLElement) => Fill} */
	#bill = (args, purchase, more) => async (box, choose) => {
		const {askPurchase} = await import("./bill.js");
		askPurchase(box, {
			server: this.server,
			purchase,
			isAsking: () => box.isConnected,
			decide: (yes, total, wanted) =>
				choose(
					yes ? {args: {...args, input_data: wanted}, confirmed: total === null ? null : {total}} : null,
				),
			more,
		});
	};
}
