// The page's requests to its back end, web.py; and what that says about itself, now and at every change.
import {failureText, t} from "./i18n.js";
import {isObject, parseJson} from "./tool-result.js";

const MAX_RAW_CHARS = 200; // of an answer that is not ours
const MAX_BODY = 16 * 2 ** 20; // bytes that web.py takes
const SILENCE_MS = 45_000; // three of web.py's pings: such a connection is dead, which no network may have told
const PATIENCE_MS = 1000;
const RETRY_MS = 200; // so that the page is back within 300 ms of the service

/** An answer that is no success; `unknown`: what was asked for may have been done. */
class Refusal extends Error {
	/** @param {number} status @param {string} text */
	constructor(status, text) {
		super(refusalOf(status, text));
		const body = parseJson(text);
		/** @type {Params} */
		this.params = isObject(body) && isObject(body.params) ? body.params : {};
		this.code = isObject(body) && typeof body.code === "string" ? body.code : undefined;
		this.status = status;
		this.unknown = isObject(body) && "code" in body ? body.unknown === true : status >= 500;
	}
}

/** JSON with a mark in place of each half character, which no JSON parser likes. @param {unknown} value */
const wholeJson = value => JSON.stringify(value).replace(/(?<!\\)((\\\\)*)\\ud[89a-f]../g, "$1\ufffd");

/** @param {string} path @param {unknown} body null where there is none @param {AbortSignal} [signal] @param {string} [key] */
export async function send(path, body, signal, key, method = body ? "POST" : "GET") {
	const headers = {"content-type": "application/json", ...(key && {"idempotency-key": key})};
	const sent = body ? new TextEncoder().encode(wholeJson(body)) : null;
	if (sent && sent.length > MAX_BODY) throw new Error(t("tooLong"));
	const response = await fetch(path, {method, signal, ...(sent && {headers, body: sent})});
	if (!response.ok) throw new Refusal(response.status, await response.text());
	return response;
}

/** The JSON that the answer holds, if it holds any. @param {string} path @param {unknown} [body] @param {string} [method] @returns {Promise<any>} any: our own JSON */
export async function ask(path, body = null, method = undefined) {
	const text = await (await send(path, body, undefined, "", method)).text();
	return text && JSON.parse(text);
}

/** The sentence of an answer that is no success. @param {number} status @param {string} text */
export function refusalOf(status, text) {
	const body = parseJson(text);
	/** @type {Record<string, any>} any: our own JSON, or anybody's in between */
	const {code, params, detail, unknown} = isObject(body) ? body : {};
	const ours = typeof detail === "string" ? detail : detail && JSON.stringify(detail);
	const said = failureText({code, params, detail: ours ?? `HTTP ${status} ${text.slice(0, MAX_RAW_CHARS)}`});
	return unknown && said !== ours ? `${said} ${t("mayHaveRun")}` : said; // ours says it already
}

/** What to tell the user about a request that failed. @param {any} error any: of a catch clause */
export function messageOf(error) {
	if (error instanceof SyntaxError) return t("garbled"); // JSON that is none
	return error instanceof TypeError ? t("offline") : error.message;
}

/** The same as code and parameters, where it was a refusal. @param {any} error any: of a catch clause */
export const failureOf = error =>
	error instanceof Refusal ? {code: error.code, params: error.params, detail: error.message} : undefined;

/** @param {string} server */
export const reconnect = server => send(`api/servers/${encodeURIComponent(server)}/reconnect`, {});

/** Whether what failed here may have been done all the same. @param {any} error any: of a catch clause */
export const isUnknown = error => !(error instanceof Refusal) || error.unknown;

/** Whether the answer may be had by asking again: the connection broke, or the service restarts. @param {any} error any: of a catch clause */
export const isLost = error => isUnknown(error) || error.status === 503;

/** Stop a running call, whose turn goes on. @param {string} id */
export const stopCall = id => send(`api/calls/${encodeURIComponent(id)}/stop`, {});

/** A key under which a call runs once, however often it is sent. */
export const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

/**
 * What a person `confirmed` is the total of a purchase; an empty object says that it is just these arguments.
 * @type {(server: string, name: string, args: unknown, key?: string, confirmed?: object | null) => Promise<ToolAnswer>}
 */
export const callTool = async (server, name, args, key = newKey(), confirmed = null) =>
	(await send("api/call-tool", {server, name, args, confirmed}, undefined, key)).json();

/** @param {string} server @param {string} uri @returns {Promise<Content[]>} */
export const readContents = async (server, uri) => (await ask("api/read-resource", {server, uri})).contents;

/** @param {string} path @param {unknown} body null for a GET @param {AbortSignal} signal */
export async function* events(path, body, signal) {
	const {body: stream} = await send(path, body, signal);
	if (stream) yield* parseEvents(chunksOf(stream.pipeThrough(new TextDecoderStream())));
}

/** Ends as one that breaks off once it has been silent for too long. @param {ReadableStream<string>} stream Safari cannot iterate over one */
async function* chunksOf(stream) {
	const reader = stream.getReader();
	const read = () => {
		const patience = setTimeout(() => reader.cancel(), SILENCE_MS);
		return reader.read().finally(() => clearTimeout(patience));
	};
	for (let part = await read(); !part.done; part = await read()) yield part.value;
}

/** Lines of a text that is cut anywhere; they end in CR, LF or both, and in nothing else. @param {AsyncIterable<string>} chunks */
async function* linesOf(chunks) {
	let rest = "";
	let isAfterCr = false;
	for await (const chunk of chunks) {
		const lines = (isAfterCr && chunk[0] === "\n" ? chunk.slice(1) : chunk).split(/\r\n|\r|\n/);
		if (chunk) isAfterCr = chunk.endsWith("\r");
		lines[0] = rest + lines[0];
		rest = lines.pop() ?? "";
		yield* lines;
	}
}

/** Server-sent events, as https://html.spec.whatwg.org/#parsing-an-event-stream reads them. @param {AsyncIterable<string>} chunks */
export async function* parseEvents(chunks) {
	/** @type {string[]} */
	let data = [];
	let event = "";
	for await (const line of linesOf(chunks)) {
		const [, name, value] = line.match(/^([^:]*):? ?(.*)$/s) ?? [];
		if (name === "data") data.push(value);
		if (name === "event") event = value;
		if (line) continue;
		if (data.length) yield/** @type {ServerEvent} */ ({event, data: JSON.parse(data.join("\n"))});
		[data, event] = [[], ""];
	}
}

/** @type {() => void} */
let markKnown;
/** @type {Status} */
export const status = {online: true, model: {}, models: [], servers: [], tools: [], prompts: []};

/** Once the back end has said for the first time how it is. @type {Promise<void>} */
export const statusKnown = new Promise(resolve => {
	markKnown = resolve;
});

/** @param {number} ms @returns {Promise<void>} */
export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

/** What a promise brings while a person does not mind to wait, else undefined. @template T @param {Promise<T>} promise */
export const inTime = promise => Promise.race([promise, sleep(PATIENCE_MS)]);

/**
 * Keep `status` up to date and call `onchange`, without end; and `onnews` when something at a server has changed, or,
 * without a server, may have while the page was not told.
 * A hidden page closes its stream: all tabs together have six connections to one host.
 * @param {() => void} onchange @param {(server?: string) => void} onnews
 */
export async function watchStatus(onchange, onnews) {
	let seen = "";
	let watching = new AbortController();
	/** Also to what waits for a decision, wherever it is. @param {() => void} tell */
	const all = tell => {
		tell();
		document.dispatchEvent(new Event("news"));
	};
	/** @param {Partial<Status>} state */
	const update = state => {
		const now = JSON.stringify(state);
		if (now === seen) return all(onnews);
		seen = now;
		Object.assign(status, state);
		if (state.servers) markKnown();
		all(onchange);
	};
	document.addEventListener("visibilitychange", () => document.hidden && watching.abort());
	addEventListener("offline", () => watching.abort()); // it may seem to go on: to ask anew tells
	for (;;) {
		watching = new AbortController();
		try {
			if (!document.hidden) {
				for await (const {event, data} of events("api/watch", null, watching.signal)) {
					if (event === "changed") all(() => onnews(data.server));
					else update({online: true, ...data});
				}
			}
		} catch {}
		if (!document.hidden && !watching.signal.aborted) update({online: false});
		await sleep(RETRY_MS);
	}
}

/** @param {string} name @param {string} server */
export const findTool = (name, server) =>
	status.tools.find(tool => tool.name === name && tool.server === server);

/** The server whose stock and orders the panel shows. */
export const shopServer = () =>
	status.servers.find(({name}) => findTool("get_inventory", name) && findTool("get_orders", name));
