// What the apps share: their side of MCP Apps (2026-01-26), JSON-RPC with the host by postMessage.

/** @typedef {{isError?: boolean, content?: any[], structuredContent?: any, _meta?: any}} ToolResult */
/** @typedef {Record<string, [string, string]>} Words in Chinese, in English */
/** @typedef {{customerName: string, items: {productId: number, quantity: number}[]}} Order */

const PROTOCOL = "2026-01-26";
const REFRESH_MS = 10_000;
const PATIENCE_MS = 120_000; // with a host that does not answer a purchase; a person may be deciding
const ERROR_KEY = "product-mcp/error";
/** @type {Record<string, string>} */
const REASONS = {
	out_of_stock: "Not enough of {name} in stock: {available} available",
	price_changed: "The prices have changed: the total is now ¥{now}",
	declined: "It was declined",
	cancelled: "It was cancelled",
	outcome_unknown: "The shop's answer was lost",
};

/** @type {Map<number, {resolve: (result: any) => void, reject: (error: Error) => void}>} */
const waiting = new Map();
let lastId = 0;
/** @type {any} */
let context = {};
/** @type {any} */
let can = {};
/** @type {() => void} */
let redraw = () => {};
let isOver = false;

/** What is known of the call that the app shows. @type {{args: any, result: ToolResult | null, isCancelled: boolean}} */
export const call = {args: null, result: null, isCancelled: false};

/** @param {object} message */
function post(message) {
	window.parent.postMessage({jsonrpc: "2.0", ...message}, "*"); // an app never learns its host's origin
}

/** @param {string} method @param {object} params @returns {Promise<any>} */
function request(method, params) {
	const id = ++lastId;
	post({id, method, params});
	return new Promise((resolve, reject) => waiting.set(id, {resolve, reject}));
}

/** @type {Record<string, (params: any) => void>} */
const told = {
	"ui/notifications/tool-input": ({arguments: args}) => {
		call.args = args ?? {};
	},
	"ui/notifications/tool-result": result => {
		call.result = result;
	},
	"ui/notifications/tool-cancelled": () => {
		call.isCancelled = true;
	},
	"ui/notifications/host-context-changed": changed => take(changed),
	"ui/resource-teardown": () => {
		isOver = true;
	},
	ping: () => {},
};

window.addEventListener("message", ({source, data}) => {
	if (source !== window.parent || data?.jsonrpc !== "2.0") return;
	if (data.method === undefined) answered(data);
	else hear(data);
});

/** @param {any} message an answer of the host */
function answered({id, result, error}) {
	const asked = waiting.get(id);
	waiting.delete(id);
	if (error) asked?.reject(new Error(String(error.message ?? error.code)));
	else asked?.resolve(result);
}

/** @param {any} message what the host tells or asks */
function hear({id, method, params}) {
	const known = Object.hasOwn(told, method) ? told[method] : undefined;
	known?.(params ?? {});
	const answer = known ? {result: {}} : {error: {code: -32601, message: "Method not found"}};
	if (id !== undefined) post({id, ...answer});
	redraw();
}

/** @param {any} changed the host's theme, colours, language, or some of them */
function take(changed) {
	context = {...context, ...changed};
	const root = document.documentElement;
	root.lang = isChinese() ? "zh-CN" : "en";
	root.style.colorScheme = context.theme ?? "light dark";
	for (const [name, value] of Object.entries(changed.styles?.variables ?? {}))
		if (/^--[\w-]+$/.test(name) && typeof value === "string") root.style.setProperty(name, value);
}

function isChinese() {
	return /^zh\b/i.test(context.locale ?? navigator.language);
}

/** Begin: `draw` is called whenever something has changed. @param {string} name @param {() => void} draw */
export async function start(name, draw) {
	take({});
	redraw = draw;
	const appInfo = {name: `product-mcp ${name}`, version: "1.0.0"};
	const appCapabilities = {availableDisplayModes: ["inline", "fullscreen"]};
	const host = await request("ui/initialize", {appInfo, appCapabilities, protocolVersion: PROTOCOL});
	can = host.hostCapabilities ?? {};
	take(host.hostContext ?? {});
	post({method: "ui/notifications/initialized", params: {}});
	const tellSize = () => {
		const height = Math.ceil(document.body.getBoundingClientRect().height);
		post({method: "ui/notifications/size-changed", params: {width: window.innerWidth, height}});
	};
	new ResizeObserver(tellSize).observe(document.body);
	draw();
}

/** Call `refresh` now, and every 10 s while the app can be seen. @param {() => Promise<void>} refresh */
export function keepFresh(refresh) {
	let isSeen = false;
	new IntersectionObserver(([entry]) => {
		isSeen = entry.isIntersecting;
	}).observe(document.body);
	refresh();
	const timer = setInterval(() => {
		if (isOver) clearInterval(timer);
		// A host may ask a person about each call of a tool: nothing calls one unasked.
		else if (isSeen && !document.hidden && can.serverResources) refresh();
	}, REFRESH_MS);
}

/** What the shop has now, each item with its product; null where the host gives none. @returns {Promise<any[] | null>} */
export async function readStock() {
	try {
		if (can.serverResources) {
			const {contents} = await request("resources/read", {uri: "shop://inventory"});
			return JSON.parse(contents[0].text);
		}
		return can.serverTools ? dataOf(await callTool("get_inventory", {})).result : null;
	} catch {
		return null;
	}
}

/** @param {string} name @param {object} args @param {object} [more] @returns {Promise<ToolResult>} */
function callTool(name, args, more = {}) {
	return request("tools/call", {name, arguments: args, ...more});
}

/** @param {ToolResult | null} result */
export function dataOf(result) {
	if (result?.structuredContent) return result.structuredContent;
	try {
		const data = JSON.parse(result?.content?.[0]?.text);
		return Array.isArray(data) ? {result: data} : (data ?? {});
	} catch {
		return {};
	}
}

/** @param {ToolResult | null} result @returns {{code?: string, params?: any}} */
export function errorOf(result) {
	return result?._meta?.[ERROR_KEY] ?? {};
}

/** Whether an order was found, placed by an earlier call under the same key. @param {ToolResult | null} result */
export const replayed = result => Boolean(result?._meta?.["product-mcp/replayed"]);

export const canBuy = () => Boolean(can.serverTools);

/** A key under which one order is placed at most once. */
export function newKey() {
	// Not randomUUID: an app's frame may be no secure context.
	return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte =>
		byte.toString(16).padStart(2, "0"),
	).join("");
}

/**
 * Have the host place an order, after its own confirmation. `unknown` may have been placed: only the same key
 * may be tried again.
 * @param {Order} order @param {string} key
 * @returns {Promise<{state: "placed" | "refused" | "unknown", result: ToolResult}>}
 */
export async function buy(order, key) {
	/** @type {ToolResult} */
	let result;
	try {
		const args = {input_data: {...order, idempotencyKey: key}};
		const placing = callTool("create_purchase", args, {_meta: {"idempotency-key": key}});
		result = await Promise.race([placing, silence()]);
	} catch (error) {
		result = {isError: true, content: [{type: "text", text: String(error)}]};
	}
	if (!result?.isError && dataOf(result).id) {
		if (can.updateModelContext) request("ui/update-model-context", {content: result.content}).catch(() => {});
		return {state: "placed", result};
	}
	const {code} = errorOf(result);
	return {state: code && code !== "outcome_unknown" ? "refused" : "unknown", result};
}

/** @returns {Promise<never>} */
function silence() {
	return new Promise((_, reject) => setTimeout(() => reject(new Error("no answer")), PATIENCE_MS));
}

/** Why a call has failed: what the shop says, in English where that is known here. @param {ToolResult} result */
export function reason(result) {
	const {code, params} = errorOf(result);
	const said = isChinese() ? "" : filled(REASONS[code ?? ""], params);
	return said || String(result.content?.find(block => block?.type === "text")?.text ?? "");
}

/** What says words in the reader's language. @param {Words} words */
export function speaker(words) {
	return (/** @type {string} */ word, /** @type {any} */ values = {}) =>
		filled(words[word]?.[isChinese() ? 0 : 1], values);
}

/** @param {string | undefined} text @param {any} values */
function filled(text, values) {
	return (text ?? "").replace(/\{(\w+)\}/g, (_, name) => String(values?.[name] ?? ""));
}

/** As the shop's own page writes it. @param {number} cents */
export function money(cents) {
	const format = {
		style: "currency",
		currency: "CNY",
		currencyDisplay: "narrowSymbol",
		useGrouping: "min2",
	};
	return new Intl.NumberFormat(language(), /** @type {any} */ (format)).format(cents / 100);
}

/** @param {string | Date} moment @param {Intl.DateTimeFormatOptions} how */
export function time(moment, how) {
	return new Intl.DateTimeFormat(language(), {timeZone: context.timeZone, ...how}).format(new Date(moment));
}

function language() {
	return isChinese() ? "zh-CN" : "en";
}

export const cents = (/** @type {number} */ yuan) => Math.round(yuan * 100);

/** @param {string} id @returns {any} */
export function get(id) {
	return document.getElementById(id);
}

/**
 * An element; its text is never read as HTML.
 * @param {string} tag @param {Record<string, any>} [properties] @param {(Node | string)[]} children
 * @returns {any}
 */
export function h(tag, properties = {}, ...children) {
	const element = Object.assign(document.createElement(tag), properties);
	element.append(...children);
	return element;
}

/** A line of what there is, and its number at the end. @param {string} tag @param {string} what @param {string} number */
export function line(tag, what, number) {
	return h(tag, {className: "line"}, h("span", {}, what), h("span", {className: "number"}, number));
}
