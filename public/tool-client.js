// Reads the shop through the same tools as the model.
import {callTool} from "./backend.js";
import {findTool} from "./backend-status.js";
import {textOf} from "./i18n.js";
import {isObject, rowsOf} from "./tool-result.js";

/** @param {string} server @param {string} name @param {unknown} args */
export async function readRows(server, name, args) {
	const {result, isError} = await callTool(server, name, args);
	const rows = isError ? null : rowsOf(result);
	if (!rows) throw new Error(result);
	return rows;
}

/** @param {unknown} value */
const numberOf = value => (typeof value === "number" ? value : undefined);

/**
 * Name, price and quantity of these products; empty where there is no inventory.
 * @param {string} server
 * @param {number[]} ids
 */
export async function readStock(server, ids) {
	const filters = findTool("get_inventory", server)?.input_schema?.properties;
	const args = isObject(filters) && filters.productIds ? {productIds: [...new Set(ids)]} : {};
	const rows = await readRows(server, "get_inventory", args).catch(() => []);
	const entries = rows.map(({productId, quantity, product}) => {
		const {name, price} = isObject(product) ? product : {};
		return [
			textOf(productId),
			{name: name && textOf(name), price: numberOf(price), quantity: numberOf(quantity)},
		];
	});
	return /** @type {Stock} */ (Object.fromEntries(entries));
}
