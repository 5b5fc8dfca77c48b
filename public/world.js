// What the back end says about itself: model, servers, tools. Polled while the page is visible.
import {callTool, getJson} from "./api.js";
import {rows} from "./data.js";

const POLL_MS = 2500;

export const world = {online: true, model: {}, servers: [], tools: [], prompts: []};
let changed;
let seen = "";

export async function refresh() {
	const read = async () => [await getJson("/api/status"), await getJson("/api/tools")]; // who is ready has its tools
	const fresh = await read().catch(() => [{online: false}]);
	const now = JSON.stringify(fresh, (key, value) => (key === "retryIn" ? "" : value)); // that one only counts down
	if (now === seen) return;
	seen = now;
	Object.assign(world, {online: true}, ...fresh);
	changed();
}

export async function watch(then) {
	changed = then;
	if (!document.hidden) await refresh();
	setTimeout(watch, POLL_MS, then);
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
