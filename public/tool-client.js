// Reads the shop through the same tools as the model.
import {callTool} from "./backend.js";
import {findTool} from "./backend-status.js";
import {isObject, rowsOf} from "./tool-result.js";

/** @typedef {Record<string, {name?: string, price?: number, quantity?: number}>} Stock by product id */

/** @param {string} server @param {string} name @param {unknown} args */
export async function readRows(server, name, args) {
	const {result, isError} = await callTool(server, name, args);
	const rows = isError ? null : rowsOf(result);
	if (!rows) throw new Error(result);
	return rows;
}

/**
 * Name, price and quantity of these products; empty where there is no inventory.
 * @param {string} server
 * @param {number[]} ids
 */
export async function readStock(server, ids) {
	const filters = findTool("get_inventory", server)?.input_schema?.properties ?? {};
	const args = filters.productIds ? {productIds: [...new Set(ids)]} : {};
	const rows = await readRows(server, "get_inventory", args).catch(() => []);
	const entries = rows.map(({productId, quantity, product}) => [
		productId,
		{...(isObject(product) ? product : {}), quantity},
	]);
	return /** @type {Stock} */ (Object.fromEntries(entries));
}
