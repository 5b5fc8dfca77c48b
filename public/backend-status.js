// What the back end says about itself, now and at every change: model, servers, tools, prompts.
import {events} from "./backend.js";

/** @typedef {Record<string, unknown>} Params */
/** @typedef {import("./schema-form.js").Schema} Schema */
/**
 * @typedef {object} Server of mcp.json, with its failure while it is down
 * @property {string} name
 * @property {string} status
 * @property {string} transport
 * @property {string} url
 * @property {string | null} protocolVersion
 * @property {string | null} error
 * @property {string | null} [code]
 * @property {Params} [params]
 */
/** @typedef {{server: string, name: string, title: string, description: string, input_schema: Schema}} Prompt */
/** @typedef {Prompt & {output_schema: Schema | null, readOnly: boolean}} Tool */
/**
 * @typedef {object} Status
 * @property {boolean} online whether the back end answers
 * @property {{name?: string, demo?: boolean}} model
 * @property {Server[]} servers
 * @property {Tool[]} tools
 * @property {Prompt[]} prompts
 */

const RETRY_MS = 200; // so that the page is back within 300 ms of the service

/** @type {Status} */
export const status = {online: true, model: {}, servers: [], tools: [], prompts: []};

/** @param {number} ms @returns {Promise<void>} */
export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

/**
 * Keep `status` up to date and call `onchange`, without end.
 * A hidden page closes its stream: all tabs together have six connections to one host.
 * @param {() => void} onchange
 */
export async function watchStatus(onchange) {
	let seen = "";
	let watching = new AbortController();
	/** @param {Partial<Status>} state */
	const update = state => {
		const now = JSON.stringify(state);
		if (now === seen) return;
		seen = now;
		Object.assign(status, state);
		onchange();
	};
	document.addEventListener("visibilitychange", () => document.hidden && watching.abort());
	for (;;) {
		watching = new AbortController();
		try {
			if (!document.hidden) {
				for await (const {data} of events("/api/watch", null, watching.signal))
					update({online: true, ...data});
			}
		} catch {}
		if (!document.hidden && !watching.signal.aborted) update({online: false});
		await sleep(RETRY_MS);
	}
}

/** @param {string} name @param {string} server */
export const findTool = (name, server) =>
	status.tools.find(tool => tool.name === name && tool.server === server);
