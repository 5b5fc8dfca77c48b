// A purchase as data: which calls are one, and which order came of it.
import {plainValue} from "./exact-text.js";
import {dataOf, isObject, isOrderLine} from "./tool-result.js";

export const PURCHASE = "create_purchase"; // the tool
const MAX_CHARS = 20_000; // of a purchase: the shop takes 100 lines

/** @param {any} value any: whatever a model or a server wrote @returns {value is Purchase} */
const hasPurchase = value =>
	typeof value?.customerName === "string" &&
	Array.isArray(value.items) &&
	value.items.length > 0 &&
	value.items.every(isOrderLine);

/** @type {(value: object, names: string[]) => boolean} */
const hasOnly = (value, names) => Object.keys(value).every(name => names.includes(name));

/** @param {any} value any: whatever a model wrote @returns {Purchase | null} what is a purchase and nothing else */
function onlyPurchase(value) {
	const {idempotencyKey: key} = value ?? {};
	const isOnly =
		hasPurchase(value) &&
		hasOnly(value, ["customerName", "items", "idempotencyKey"]) &&
		value.items.every(item => hasOnly(item, ["productId", "quantity"]) && item.quantity > 0) &&
		(key === undefined || key === null || typeof key === "string");
	return isOnly ? value : null;
}

/**
 * The purchase that a call is and is nothing but, by the very text that will be executed: of the server whose shop is
 * shown beside it, whatever others call their tools or put among their arguments.
 * @param {Call} call @param {string | undefined} shop the name of that server
 */
export function purchaseOf({server, tool, honoursKey, raw}, shop) {
	if (server !== shop || tool !== PURCHASE || !honoursKey) return null;
	const args = (raw ?? "").length < MAX_CHARS && plainValue(raw ?? "");
	return isObject(args) && hasOnly(args, ["input_data"]) ? onlyPurchase(args.input_data) : null;
}

/** The order in a result; what follows its line says how it was found. @param {string} text @returns {Order | null} */
export function orderOf(text) {
	const order = dataOf(text);
	return hasPurchase(order) && typeof (/** @type {any} */ (order).totalAmount) === "number"
		? /** @type {Order} */ (order)
		: null;
}

/**
 * Where an order was bought: the call, and the conversation that it is in; undefined where this browser knows none.
 * @param {Iterable<Conversation>} conversations @param {string} server @param {Order} order
 */
export function purchaseBehind(conversations, server, {id, orderDate}) {
	const calls = [...conversations].flatMap(conversation =>
		Object.entries(conversation.calls).map(([callId, call]) => ({conversation, callId, call})),
	);
	const found = calls.filter(({call}) => {
		const bought = call.isPurchase && call.server === server && orderOf(call.result ?? "");
		return bought && bought.id === id && bought.orderDate === orderDate; // another database has the same numbers
	});
	return found.find(({call}) => !call.replayed) ?? found[0];
}
