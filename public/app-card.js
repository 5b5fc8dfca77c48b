// The face that a server gives its call (MCP Apps), in the call's card: shown after one click for the server, and whatever
// it wants of the page or the shop is asked about here, outside of its frame.
import {AppHost, refusal} from "./app-host.js";
import {
	callApp,
	failureOf,
	findTool,
	isUnknown,
	messageOf,
	readContents,
	shopServer,
	status,
} from "./backend.js";
import {attr, button, h, iconButton} from "./elements.js";
import {visible} from "./exact-text.js";
import {t} from "./i18n.js";
import {allowForEver, isListed, listedTools, listTool, preferences, toolsThatAsk} from "./preferences.js";
import {purchaseOf} from "./purchase.js";
import {drawExact} from "./result-view.js";
import {isObject, parseJson} from "./tool-result.js";

/** @import {CallCard} from "./call-card.js" */
/** @typedef {{html: string, lists: Record<string, string[]>, border: boolean}} App */

const LISTS = ["connect", "resource", "frame", "base"]; // as app_frames.py takes them
const SOURCE = /^(https|wss):\/\/(\*\.)?([a-z0-9-]+\.)+[a-z][a-z0-9-]*(:\d{1,5})?$/i;
const KIND = "text/html;profile=mcp-app";
const MAX_HTML = 8 * 2 ** 20; // characters
const MAX_SOURCES = 20; // of one list
const MAX_TEXT = 4000; // characters of a message, or an address
const MAX_REFUSED = 3; // answers after which an app is not heard any more
const MIN_PX = 40;
const DEAF_MS = 600; // for a click that was meant for the app
const KEY = /^[!-~]{1,200}$/;
/** @type {Record<string, string>} what the page's colours are called in an app */
const VARIABLES = {
	"--color-background-primary": "--raised",
	"--color-background-secondary": "--side",
	"--color-background-info": "--soft",
	"--color-background-danger": "--bad-soft",
	"--color-background-warning": "--warn-soft",
	"--color-text-primary": "--text",
	"--color-text-secondary": "--quiet",
	"--color-text-info": "--accent",
	"--color-text-danger": "--bad",
	"--color-text-warning": "--warn",
	"--color-border-primary": "--line",
	"--color-ring-primary": "--accent",
	"--border-radius-sm": "--r1",
	"--border-radius-md": "--r1",
	"--border-radius-lg": "--r2",
};
/** @type {Record<string, string>} */
const OTHER_NAME = {localhost: "127.0.0.1", "127.0.0.1": "localhost"};
const root = document.documentElement;
const darkness = matchMedia("(prefers-color-scheme: dark)");

/** Where frames of apps are served; empty where they are off. */
export function appsOrigin() {
	const {hostname, port, protocol} = location;
	const other = protocol === "http:" && Object.hasOwn(OTHER_NAME, hostname) && OTHER_NAME[hostname];
	return status.apps || (other ? `http://${other}${port && `:${port}`}` : "");
}

/** @type {Promise<unknown> | undefined} */
let styled;
function loadStyle() {
	styled ??= new Promise(resolve => {
		const link = h("link", attr({rel: "stylesheet"}));
		link.href = "static/app-card.css";
		link.onload = link.onerror = resolve;
		document.head.append(link);
	});
	return styled;
}

/** @param {string} server @param {string} uri @returns {Promise<App>} */
async function readApp(server, uri) {
	const [content] = (await readContents(server, uri)).filter(
		({mimeType = ""}) => mimeType.replace(/\s/g, "") === KIND,
	);
	const html =
		content?.text ??
		(content?.blob
			? new TextDecoder().decode(Uint8Array.from(atob(content.blob), byte => byte.charCodeAt(0)))
			: "");
	if (!html || html.length > MAX_HTML) throw new Error(t("appWrong"));
	const {csp, prefersBorder} = Object(content?.ui);
	/** @param {unknown} list */
	const usable = list =>
		[list]
			.flat()
			.filter(source => typeof source === "string" && SOURCE.test(source))
			.slice(0, MAX_SOURCES);
	const lists = Object.fromEntries(
		LISTS.map(name => [name, usable(Object(csp)[`${name === "base" ? "baseUri" : name}Domains`])]),
	);
	return {html, lists, border: prefersBorder !== false};
}

/** @param {App} app */
const addressesOf = ({lists}) => [...new Set(Object.values(lists).flat())].sort();

const theme = () => preferences.theme || (darkness.matches ? "dark" : "light");
const displayed = () => ({theme: theme(), locale: root.lang});

/** What an app is told of its surroundings. */
function surroundings() {
	const style = getComputedStyle(root);
	const variables = Object.fromEntries(
		Object.entries(VARIABLES).map(([name, own]) => [name, style.getPropertyValue(own).trim()]),
	);
	return {
		...displayed(),
		styles: {variables: {...variables, "--font-sans": "system-ui, sans-serif"}},
		timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
		availableDisplayModes: ["inline", "fullscreen"],
		platform: "web",
		userAgent: "product-mcp",
	};
}

const tellAll = () => {
	for (const host of AppHost.live) host.tell("host-context-changed", displayed());
};
new MutationObserver(tellAll).observe(root, {attributeFilter: ["lang", "style"]});
darkness.addEventListener("change", tellAll);

/** @param {Call} call */
function resultOf({app, result = "", isError = false, code, params}) {
	const {structuredContent: data, content, _meta: meta} = Object(app);
	const structuredContent = data === true ? parseJson(result) : data;
	return {
		content: content ?? [{type: "text", text: result}],
		...(isObject(structuredContent) && {structuredContent}),
		...(meta ? {_meta: meta} : isError && {_meta: {"product-mcp/error": {code, params}}}),
		isError,
	};
}

class AppView {
	/** @type {AppHost | null} */
	#host = null;
	#refused = 0;
	#isAsking = false;
	#height = 0;
	#view = h(".app-view");
	#ask = h(".slot.waiting", attr({role: "group"}));
	root = h(".app-box", attr({role: "group"}));

	/** @param {CallCard} card @param {string} uri */
	constructor(card, uri) {
		this.card = card;
		this.uri = uri;
		this.server = card.call.server;
		this.root.ariaLabel = t("appOf", {server: visible(this.server)});
		this.root.addEventListener("keydown", ({key}) => key === "Escape" && this.#show("inline"));
		this.#ask.addEventListener(
			"click",
			event => Date.now() - this.#askedAt < DEAF_MS && (event.stopPropagation(), event.preventDefault()),
			true,
		);
	}

	#askedAt = 0;

	/** Show it, or ask whether to. */
	async offer() {
		try {
			const app = await readApp(this.server, this.uri);
			const addresses = addressesOf(app).join(" ");
			const {fingerprint} = status.servers.find(({name}) => name === this.server) ?? {};
			const consent = {server: this.server, tool: addresses, fingerprint};
			const run = () => this.#begin(app);
			if (isListed(listedTools("apps"), consent)) return run();
			const yes = () => {
				listTool("apps", consent, true);
				document.dispatchEvent(new Event("apps")); // the server's others need no click
			};
			const onapps = () => {
				if (!isListed(listedTools("apps"), consent)) return;
				document.removeEventListener("apps", onapps);
				if (this.root.isConnected) run();
			};
			document.addEventListener("apps", onapps);
			this.root.replaceChildren(
				h("p.row", h("span.quiet", t("appOffer", {server: visible(this.server)})), button(t("appShow"), yes)),
				addresses && h("p.quiet", t("appReaches", {addresses})),
			);
		} catch (error) {
			this.#say(messageOf(error));
		}
	}

	/** @param {string} text */
	#say(text) {
		this.root.replaceChildren(
			h(
				"p.row",
				h("span.quiet", text),
				button(t("appShow"), () => this.offer()),
			),
		);
	}

	/** @param {App} app */
	#begin(app) {
		const query = new URLSearchParams(
			Object.entries(app.lists).flatMap(([name, list]) => list.map(source => [name, source])),
		);
		const frame = document.createElement("iframe");
		frame.setAttribute("sandbox", "allow-scripts allow-same-origin");
		frame.setAttribute("credentialless", "");
		frame.title = this.root.ariaLabel ?? "";
		frame.src = `${appsOrigin()}/app-frame?${query}`;
		const whole = button(t("appWhole"), () => this.#show(this.mode === "inline" ? "fullscreen" : "inline"));
		const bar = h(
			"header",
			h("span.quiet", this.root.ariaLabel),
			whole,
			iconButton("x", () => this.#host?.end("closed"), t("appClose")),
		);
		this.#view.replaceChildren(frame);
		this.#view.toggleAttribute("data-border", app.border);
		this.#ask.replaceChildren();
		this.root.replaceChildren(bar, this.#view, this.#ask);
		this.#host = new AppHost(frame, app.html, {
			requests: this.#requests,
			hello: () => ({
				hostInfo: {name: "product-mcp", version: "1"},
				hostCapabilities: {
					openLinks: {},
					serverTools: {},
					serverResources: {},
					message: {text: {}},
					sandbox: {
						permissions: {},
						csp: Object.fromEntries(
							LISTS.map(name => [`${name === "base" ? "baseUri" : name}Domains`, app.lists[name]]),
						),
					},
				},
				hostContext: this.#context(),
			}),
			begin: tell => {
				const {call} = this.card;
				tell("tool-input", {arguments: isObject(call.args) ? call.args : {}});
				tell("tool-result", resultOf(call));
			},
			resize: height => {
				this.#height = height;
				if (!this.#isAsking) this.#fit(); // nothing moves under a finger that confirms
			},
			over: reason => {
				this.#show("inline");
				this.#say(
					t(
						`appEnd_${["closed", "many", "silent", "flood", "large", "left", "focus"].includes(reason) ? reason : "closed"}`,
					),
				);
			},
		});
	}

	get mode() {
		return this.root.matches(":popover-open") ? "fullscreen" : "inline";
	}

	#context() {
		const {tool} = this.card.call;
		const schema = findTool(tool, this.server)?.input_schema ?? {type: "object"};
		const size = {
			width: this.#view.clientWidth,
			...(this.mode === "inline" ? {maxHeight: this.#max()} : {height: this.#view.clientHeight}),
		};
		return {
			...surroundings(),
			displayMode: this.mode,
			containerDimensions: size,
			toolInfo: {tool: {name: tool, inputSchema: schema}},
		};
	}

	#max = () => Math.round(innerHeight * 0.8);

	#fit() {
		const height = Math.min(Math.max(this.#height, MIN_PX), this.#max());
		this.#view.style.setProperty("--app-height", `${height}px`);
	}

	/** @param {string} mode */
	#show(mode) {
		if (mode !== this.mode && !this.#isAsking) {
			this.root.popover = mode === "fullscreen" ? "manual" : null;
			if (mode === "fullscreen") this.root.showPopover();
			this.#host?.tell("host-context-changed", this.#context());
		}
		return this.mode;
	}

	/** Ask a person; nothing of this can be covered by the app. @type {<T>(title: string, fill: (box: HTMLElement, choose: (yes: T | null) => void, isOpen: () => boolean) => unknown) => Promise<T>} */
	async #asked(title, fill) {
		if (this.#isAsking || this.#refused >= MAX_REFUSED) throw refusal("Denied");
		this.#isAsking = true;
		this.#askedAt = Date.now();
		const box = h(".content");
		this.#ask.replaceChildren(h("header", h("strong", attr({role: "alert"}), title)), box);
		try {
			const chosen = await new Promise(resolve => {
				fill(box, resolve, () => box.isConnected);
			});
			this.#refused = chosen === null ? this.#refused + 1 : 0;
			if (chosen === null) throw refusal("Denied by the user");
			return /** @type {any} */ (chosen);
		} finally {
			this.#isAsking = false;
			this.#ask.replaceChildren();
			this.#fit();
		}
	}

	/** @param {string} title @param {string} text exactly what it is about @param {string} label @param {HTMLElement} [more] */
	#askAbout(title, text, label, more) {
		return this.#asked(title, (box, choose) => {
			const no = button(t("cancel"), () => choose(null));
			box.append(
				drawExact(text),
				more ?? "",
				h(
					".row",
					button(label, () => choose(true), ".primary"),
					no,
				),
			);
		});
	}

	/** @type {Record<string, import("./app-host.js").Answerer>} */
	#requests = {
		"tools/call": params => this.#call(params),
		"resources/read": async ({uri}) => {
			if (typeof uri !== "string") throw refusal("Invalid params", -32_602);
			const contents = await readContents(this.server, uri);
			return {contents: contents.map(({html: _, ...content}) => content)};
		},
		"ui/open-link": async ({url}) => {
			const to = typeof url === "string" && url.length <= MAX_TEXT && URL.parse(url);
			if (!to || !/^https?:$/.test(to.protocol)) throw refusal("Invalid URL", -32_602);
			await this.#askAbout(t("appLink"), to.href, t("appOpen"));
			window.open(to.href, "_blank", "noopener,noreferrer");
			return {};
		},
		"ui/message": async ({content}) => {
			const texts = [content].flat().map(block => (block?.type === "text" ? block.text : null));
			const text = texts.join("\n");
			if (
				!texts.length ||
				!texts.every(each => typeof each === "string") ||
				!text.trim() ||
				text.length > MAX_TEXT
			)
				throw refusal("Invalid message format", -32_602);
			await this.#askAbout(t("appMessage"), text, t("send"));
			this.#show("inline");
			this.card.controller.say(text);
			return {};
		},
		"ui/request-display-mode": ({mode}) => ({
			mode: ["inline", "fullscreen"].includes(mode) ? this.#show(mode) : this.mode,
		}),
	};

	/** A call of the app is asked about as one of the model's is. @param {any} params any: an app's */
	async #call({name, arguments: args = {}, _meta: meta}) {
		const {server} = this;
		const tool =
			findTool(name, server) ?? status.appTools?.find(each => each.name === name && each.server === server);
		if (!tool || tool.appsMay === false || !isObject(args)) throw refusal("No such tool", -32_602);
		const listed = {server, tool: tool.name, fingerprint: tool.fingerprint};
		const off = listedTools("off");
		if (isListed(off, {server, tool: ""}) || isListed(off, listed)) throw refusal("Switched off");
		const asks = tool.readOnly ? isListed(toolsThatAsk(), listed) : !isListed(listedTools("always"), listed);
		const agreed = asks ? await this.#askCall(tool, args) : {args, confirmed: null};
		const given = meta?.["idempotency-key"];
		const key = typeof given === "string" && KEY.test(given) ? given : undefined;
		try {
			const answer = await callApp(tool, agreed.args, agreed.confirmed, key);
			return resultOf(answer);
		} catch (error) {
			const failure = failureOf(error);
			const [code, unknown] = [failure?.code ?? "", isUnknown(error) && !tool.readOnly];
			return resultOf({
				server,
				tool: name,
				result: messageOf(error),
				isError: true,
				code: unknown ? "outcome_unknown" : code,
				params: failure?.params ?? {},
			});
		}
	}

	/** @param {Tool} tool @param {Params} args @returns {Promise<{args: Params, confirmed: object | null}>} */
	async #askCall(tool, args) {
		const {server} = this;
		const always = h("input", attr({type: "checkbox"}));
		const more = h("label.check", always, t("always"));
		const raw = JSON.stringify(args);
		const purchase = purchaseOf(
			{server, tool: tool.name, honoursKey: tool.honoursKey, raw},
			shopServer()?.name,
		);
		const agreed = purchase
			? await this.#asked(t("confirmBuy"), (box, choose, isAsking) => {
					const change = (/** @type {Purchase} */ changed) => {
						box.replaceChildren();
						ask(changed);
					};
					const ask = (/** @type {Purchase} */ wanted) =>
						askAboutPurchase(box, {
							server,
							purchase: wanted,
							isAsking,
							change,
							more,
							decide: (yes, total) =>
								choose(
									yes
										? {args: {...args, input_data: wanted}, confirmed: total === null ? null : {total}}
										: null,
								),
						});
					ask(purchase);
				})
			: await this.#askAbout(
					t("appCalls", {server: visible(server), tool: visible(tool.name)}),
					raw,
					t("confirmTool"),
					more,
				).then(() => ({args, confirmed: {}}));
		if (always.checked) allowForEver({server, tool: tool.name, fingerprint: tool.fingerprint});
		return agreed;
	}
}

/** @type {typeof import("./bill.js").askPurchase} */
const askAboutPurchase = async (box, about) => (await import("./bill.js")).askPurchase(box, about);

/** @type {WeakMap<CallCard, AppView>} */
const views = new WeakMap();
const seen = new IntersectionObserver(entries => {
	for (const {target, isIntersecting} of entries) {
		if (!isIntersecting) continue;
		seen.unobserve(target);
		waiting.get(target)?.();
		waiting.delete(target);
	}
});
/** @type {Map<Element, () => void>} */
const waiting = new Map();

/** Once the card is seen. @param {CallCard} card @param {string} uri */
export async function showApp(card, uri) {
	if (views.has(card) || !appsOrigin()) return;
	const view = new AppView(card, uri);
	views.set(card, view);
	await loadStyle();
	card.root.append(view.root);
	waiting.set(view.root, () => view.offer());
	seen.observe(view.root);
}

/** What is typed into the page goes to no app: the focus comes to one by a pointer or by Tab, and one that takes it is over. */
const MAX_THEFTS = 3;
let [lastKey, typedAt] = ["", 0];
/** @type {WeakMap<Element, number>} by their frames */
const thefts = new WeakMap();
/** @param {Event} event */
const noteKey = event => {
	lastKey = event instanceof KeyboardEvent ? event.key : "";
	typedAt = lastKey ? Date.now() : 0;
};
addEventListener("keydown", noteKey, true);
addEventListener("pointerdown", noteKey, true);
addEventListener("focusout", ({target}) => {
	setTimeout(() => {
		const frame = document.activeElement;
		const host = AppHost.live.find(each => each.frame === frame);
		if (!frame || !host || lastKey === "Tab") return;
		const isPointed = frame.matches(":hover") || matchMedia("(hover: none)").matches;
		if (isPointed && Date.now() - typedAt > DEAF_MS) return;
		const count = (thefts.get(frame) ?? 0) + 1;
		thefts.set(frame, count);
		if (count > MAX_THEFTS) host.end("focus");
		if (target instanceof HTMLElement) target.focus({preventScroll: true});
	});
});
