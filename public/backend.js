// The page's requests to its back end, web.py.
import {failureText, t} from "./i18n.js";
import {isObject, parseJson} from "./tool-result.js";

/** @typedef {{event: string, data: any}} ServerEvent any: JSON, whose shape turn.js knows for each event */
/** @typedef {{result: string, isError?: boolean, code?: string | null, params?: Record<string, unknown>}} ToolAnswer */
/** @typedef {{server: string, name: string}} Address of a tool or prompt */

const MAX_RAW_CHARS = 200; // of an answer that is not ours

/** @param {string} path @param {unknown} body null for a GET @param {AbortSignal} [signal] */
async function send(path, body, signal) {
	const headers = {"content-type": "application/json"};
	const post = {method: "POST", headers, body: JSON.stringify(body), signal};
	const response = await fetch(path, body ? post : {signal});
	if (!response.ok) throw new Error(refusalOf(response.status, await response.text()));
	return response;
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
export const messageOf = error => (error instanceof TypeError ? t("offline") : error.message);

/** @param {string} server */
export const reconnect = server => send(`/api/servers/${encodeURIComponent(server)}/reconnect`, {});

/** @param {string} server @param {string} name @param {unknown} args @returns {Promise<ToolAnswer>} */
export const callTool = async (server, name, args) =>
	(await send("/api/call-tool", {server, name, args})).json();

/** @param {Address} prompt @param {unknown} [args] @returns {Promise<string>} */
export const promptText = async ({server, name}, args) =>
	(await (await send("/api/get-prompt", {server, name, args})).json()).text;

/** @param {string} path @param {unknown} body null for a GET @param {AbortSignal} signal */
export async function* events(path, body, signal) {
	const {body: stream} = await send(path, body, signal);
	if (stream) yield* parseEvents(chunksOf(stream.pipeThrough(new TextDecoderStream())));
}

/** @param {ReadableStream<string>} stream Safari cannot iterate over one */
async function* chunksOf(stream) {
	const reader = stream.getReader();
	for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
}

/** Server-sent events of a text that the network may cut anywhere. @param {AsyncIterable<string>} chunks */
export async function* parseEvents(chunks) {
	let rest = "";
	for await (const chunk of chunks) {
		const blocks = (rest + chunk).split(/\r?\n\r?\n/);
		rest = blocks.pop() ?? "";
		for (const block of blocks) {
			const data = field(block, "data");
			if (data)
				yield/** @type {ServerEvent} */ ({event: field(block, "event") ?? "", data: JSON.parse(data)});
		}
	}
}

/** @param {string} block @param {string} name */
const field = (block, name) => block.match(new RegExp(`^${name}: (.*)`, "m"))?.[1];
