// What the back end says about itself, now and at every change: model, servers, tools.
import {callTool, events} from "./api.js";
import {rows} from "./data.js";
import {sleep} from "./dom.js";

const RETRY_MS = 200; // it is back within 300 ms of the service

export const world = {online: true, model: {}, servers: [], tools: [], prompts: []};

/** Tell `changed` for ever. A hidden page lets go: all tabs together have six connections to one host. */
export async function watch(changed) {
	let seen = "";
	let hearing;
	const hear = state => {
		const now = JSON.stringify(state);
		if (now !== seen) changed(Object.assign(world, state));
		seen = now;
	};
	document.addEventListener("visibilitychange", () => document.hidden && hearing.abort());
	for (;;) {
		hearing = new AbortController();
		try {
			if (!document.hidden) for await (const {data} of events("/api/watch", null, hearing.signal)) hear({online: true, ...data});
		} catch {}
		if (!document.hidden && !hearing.signal.aborted) hear({online: false});
		await sleep(RETRY_MS);
	}
}

export const findTool = (name, server) => world.tools.find(tool => tool.name === name && tool.server === server);

export async function readRows(server, name, args) {
	const {result, isError} = await callTool(server, name, args);
	if (isError) throw new Error(result);
	return rows(result);
}

/** Name, price and quantity by product id; empty where there is no inventory. */
export async function readStock(server, ids) {
	const known = findTool("get_inventory", server)?.input_schema?.properties ?? {};
	const list = await readRows(server, "get_inventory", known.productIds ? {productIds: [...new Set(ids)]} : {}).catch(() => []);
	return Object.fromEntries(list.map(({productId, quantity, product}) => [productId, {...product, quantity}]));
}
