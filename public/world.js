// What the back end says about itself: the model, the servers, their tools. Polled while the page is visible.
import {callTool, getJson} from "./api.js";
import {rows} from "./data.js";

const POLL_MS = 2500;

export const world = Object.assign(new EventTarget(), {online: true, model: {}, servers: [], tools: []});
let seen = "";

/** Read status and tools; "change" is fired when anything did. */
export async function refresh() {
	const fresh = await Promise.all(["/api/status", "/api/tools"].map(getJson)).catch(() => [{online: false}]);
	const now = JSON.stringify(fresh);
	if (now === seen) return;
	seen = now;
	Object.assign(world, {online: true}, ...fresh);
	world.dispatchEvent(new Event("change"));
}

export async function watch() {
	if (!document.hidden) await refresh();
	setTimeout(watch, POLL_MS);
}

export const findTool = (name, server) => world.tools.find(tool => tool.name === name && tool.server === server);

/** The objects in a tool's result, or null; throws when the tool fails. */
export async function readRows(server, name, args) {
	const {result, isError} = await callTool(server, name, args);
	if (isError) throw new Error(result);
	return rows(result);
}

/** Name, price and quantity of products by id, from the inventory tool of the same server; nothing without it. */
export async function readStock(server, ids) {
	const known = findTool("get_inventory", server)?.input_schema?.properties ?? {};
	const list = await readRows(server, "get_inventory", known.productIds ? {productIds: [...new Set(ids)]} : {}).catch(() => []);
	return Object.fromEntries(list.map(({productId, quantity, product}) => [productId, {...product, quantity}]));
}
