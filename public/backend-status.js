// What the back end says about itself, now and at every change: model, servers, tools, prompts.
import {events} from "./backend.js";

const RETRY_MS = 200; // so that the page is back within 300 ms of the service

/** @type {() => void} */
let markKnown;
/** @type {Status} */
export const status = {online: true, model: {}, servers: [], tools: [], prompts: []};

/** Once the back end has said for the first time how it is. @type {Promise<void>} */
export const statusKnown = new Promise(resolve => {
	markKnown = resolve;
});

/** @param {number} ms @returns {Promise<void>} */
export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

/**
 * Keep `status` up to date and call `onchange`, without end; and `onnews` when something at a server has changed, or,
 * without a server, may have while the page was not told.
 * A hidden page closes its stream: all tabs together have six connections to one host.
 * @param {() => void} onchange @param {(server?: string) => void} onnews
 */
export async function watchStatus(onchange, onnews) {
	let seen = "";
	let watching = new AbortController();
	/** @param {Partial<Status>} state */
	const update = state => {
		const now = JSON.stringify(state);
		if (now === seen) return onnews();
		seen = now;
		Object.assign(status, state);
		if (state.servers) markKnown();
		onchange();
	};
	document.addEventListener("visibilitychange", () => document.hidden && watching.abort());
	for (;;) {
		watching = new AbortController();
		try {
			if (!document.hidden) {
				for await (const {event, data} of events("api/watch", null, watching.signal)) {
					if (event === "changed") onnews(data.server);
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
