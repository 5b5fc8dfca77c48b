// The products that an answer speaks of, as cards: with a picture or a mark, price and stock, to be bought and compared; or
// as a table.
import {attr, button, h, loadStyle, onceSeen, openDialog} from "./elements.js";
import {visible} from "./exact-text.js";
import {formatNumber, t, textOf, words} from "./i18n.js";
import {preferences, setPreference} from "./preferences.js";
import {drawTable} from "./result-view.js";
import {readInventory, takes} from "./tool-client.js";
import {cellText, dataOf, flattenProducts, isObject, rowsOf} from "./tool-result.js";

/** @typedef {{server: string, id: unknown, name: string, price: number, description: string, image: string, quantity?: number}} Product */
/** @typedef {(text: string) => void} Say asks it in the conversation */

// A row with an id, a name and a price is a product, unless it says what products do not have: a customer, a date.
const FIELDS = ["id", "productId", "sku", "name", "price", "currency", "description", "quantity", "image"];
const MORE_FIELDS = ["keywords", "category", "brand", "rating", "unit"];
const FEW = 4; // so many are shown although the answer names none of them
const MAX_CARDS = 40; // of one answer
const LOW_STOCK_PIECES = 20;
const PIXELS = /^data:image\/(png|jpeg|gif|webp|avif);base64,/i;
const ELSEWHERE = /^(https?|data|blob|javascript):|^[^:]*$/i; // what no server holds as a resource

/** @param {Row} row @returns {boolean} */
const isProduct = row =>
	["number", "string"].includes(typeof (row.productId ?? row.id)) &&
	typeof row.name === "string" &&
	row.name.trim() !== "" &&
	Number.isFinite(row.price) &&
	Object.keys(row).every(key => FIELDS.includes(key) || MORE_FIELDS.includes(key));

/** The products in a result, if it holds nothing else. @param {Call} call @returns {Product[]} */
export function productsOf({server, result = ""}) {
	const value = dataOf(result);
	const rows = flattenProducts(rowsOf(result) ?? (isObject(value) ? [value] : []));
	if (!rows.every(isProduct)) return [];
	return rows.map(row => ({
		server,
		id: row.productId ?? row.id,
		name: textOf(row.name),
		price: Number(row.price),
		description: typeof row.description === "string" ? row.description : "",
		image: typeof row.image === "string" ? row.image : "",
		...(typeof row.quantity === "number" && {quantity: row.quantity}),
	}));
}

/** Of the products that were looked up those that a text names, in its order; all of a few where it names none. @param {Product[]} found @param {string} text */
export function namedIn(found, text) {
	/** @type {Map<string, Product>} */
	const byId = new Map();
	for (const product of found) {
		const key = `${product.server} ${textOf(product.id)}`;
		byId.set(key, {...byId.get(key), ...product});
	}
	let rest = text.toLowerCase();
	const at = new Map();
	const products = [...byId.values()];
	for (const product of products.toSorted((a, b) => b.name.length - a.name.length)) {
		const name = product.name.toLowerCase().trim();
		at.set(product, rest.indexOf(name));
		rest = rest.replaceAll(name, " ".repeat(name.length)); // a longer name may hold a shorter one
	}
	const named = products.filter(product => at.get(product) >= 0);
	if (!named.length && products.length <= FEW) return products;
	return named.sort((a, b) => at.get(a) - at.get(b)).slice(0, MAX_CARDS);
}

/** @param {string} text a number that is the same for the same text */
const hashOf = text => [...text].reduce((hash, char) => (hash * 31 + (char.codePointAt(0) ?? 0)) >>> 0, 7);

/** A mark in the place of a picture. @param {Product} product */
function drawMark({id, name}) {
	const mark = h("span.mark", [...name.trim()][0].toUpperCase());
	const hash = hashOf(textOf(id) + name);
	for (const [key, value] of Object.entries({hue: hash % 360, x: hash % 61, y: hash % 83}))
		mark.style.setProperty(`--${key}`, `${value}`);
	return mark;
}

/** Loaded once it comes into view. @param {Product} product */
export function drawPicture(product) {
	const {server, image} = product;
	const mark = drawMark(product);
	const box = h(".pic", attr({"aria-hidden": "true"}), mark);
	if (!PIXELS.test(image) && ELSEWHERE.test(image)) return box;
	const picture = new Image();
	picture.loading = "lazy";
	picture.decoding = "async";
	picture.alt = "";
	picture.onerror = () => picture.replaceWith(mark);
	picture.src = PIXELS.test(image) ? image : `api/picture?${new URLSearchParams({server, uri: image})}`;
	mark.replaceWith(picture);
	return box;
}

/** @param {Product} product */
function stockText({quantity}) {
	if (quantity === undefined) return "";
	if (quantity <= 0) return h("span.tag.warn", t("soldOut"));
	const pieces = t("pieces", {n: formatNumber(quantity)});
	return quantity <= LOW_STOCK_PIECES ? h("span.tag.warn", attr({title: t("low")}), pieces) : pieces;
}

/** @param {Product} product @param {Say} say @param {string} [kind] */
function buyButton(product, say, kind = "") {
	const {id, name, quantity} = product;
	const buy = button(t("buy"), () => say(t("buyAsk", {name: visible(name), id})), kind);
	buy.ariaLabel = t("buyIt", {name: visible(name)});
	buy.disabled = quantity !== undefined && quantity <= 0;
	return buy;
}

/** Side by side. @param {Product[]} products @param {Say} say */
function compare(products, say) {
	const {columns} = words();
	const row = (/** @type {string} */ label, /** @type {(product: Product) => unknown} */ cell) => {
		const cells = products.map(product => h("td", cell(product)));
		return h("tr", h("th", attr({scope: "row"}), label), cells);
	};
	const head = products.map(product =>
		h("th", attr({scope: "col"}), drawPicture(product), h("bdi", visible(product.name))),
	);
	const sayAndClose = (/** @type {string} */ text) => {
		dialog.close();
		say(text);
	};
	const table = h(
		"table.compare",
		h("thead", h("tr", h("td"), head)),
		h(
			"tbody",
			row(columns.price, ({price}) => h("b", cellText("price", price))),
			row(t("stock"), product => stockText(product) || "–"),
			row(columns.description, ({description}) => visible(description)),
			row("", product => buyButton(product, sayAndClose)),
		),
	);
	const names = products.map(({name}) => visible(name)).join(t("and"));
	const ask = button(t("compareAskIt"), () => sayAndClose(t("compareAsk", {names})));
	const dialog = openDialog(t("compare"), h(".wide", attr({tabindex: 0}), table), h(".row", ask));
	dialog.classList.add("large");
}

class Shelf {
	/** @type {Set<Product>} to be compared */
	#chosen = new Set();
	#compare = button("", () => compare([...this.#chosen], this.say), ".primary");
	#body = h("");

	/** @param {HTMLElement} root @param {Product[]} products @param {Say} say */
	constructor(root, products, say) {
		this.products = products;
		this.say = say;
		this.view = button("", () => {
			setPreference("products", preferences.products === "table" ? "" : "table");
			this.draw();
		});
		root.ariaLabel = t("products");
		root.setAttribute("role", "group");
		root.append(h("header", this.#compare, this.view), this.#body);
		this.draw();
		onceSeen(root, () => this.#readStock());
	}

	draw() {
		const isTable = preferences.products === "table";
		this.view.textContent = t(isTable ? "asCards" : "asTable");
		const cards = this.products.map(product => this.#card(product));
		this.#body.replaceChildren(isTable ? this.#table() : h("ul.products", cards));
		this.#offer();
	}

	#offer() {
		this.#compare.textContent = t("compareN", {n: this.#chosen.size});
		this.#compare.hidden = this.#chosen.size < 2 || preferences.products === "table";
	}

	#table() {
		return drawTable(
			this.products.map(({id, name, price, quantity, description}) => ({
				...{id, name: visible(name), price},
				...(quantity !== undefined && {quantity}),
				...(description && {description: visible(description)}),
			})),
		);
	}

	/** @param {Product} product */
	#card(product) {
		const {name, price, description} = product;
		const onchange = () => {
			this.#chosen[box.checked ? "add" : "delete"](product);
			this.#offer();
		};
		const label = t("compareIt", {name: visible(name)});
		const checked = this.#chosen.has(product);
		const box = h("input", attr({type: "checkbox", "aria-label": label, checked, onchange}));
		return h(
			"li.product",
			drawPicture(product),
			h("bdi.product-name", attr({title: visible(name)}), visible(name)),
			description && h("p.quiet", attr({title: visible(description)}), visible(description)),
			h(".row", h("b.num", cellText("price", price)), h("span.quiet", stockText(product))),
			h(".row", buyButton(product, this.say, ".buy"), h("label.check", box, t("compare"))),
		);
	}

	/** As it is now, whenever the answer was given. */
	async #readStock() {
		const [{server}] = this.products;
		if (!takes("get_inventory", server, "productIds")) return;
		const ids = this.products.filter(one => one.server === server).map(({id}) => id);
		const rows = await readInventory(server, ids).catch(() => []);
		const byId = new Map(rows.map(row => [row.productId, row.quantity]));
		const old = this.products.map(({quantity}) => quantity);
		for (const product of this.products) {
			const quantity = product.server === server ? byId.get(product.id) : undefined;
			if (typeof quantity === "number") product.quantity = quantity;
		}
		if (old.some((quantity, i) => quantity !== this.products[i].quantity)) this.draw();
	}
}

/** Show what an answer's calls have found and its text names. @type {(root: HTMLElement, calls: Call[], text: string, say: Say) => Promise<void>} */
export async function fillShelf(root, calls, text, say) {
	const products = namedIn(calls.flatMap(productsOf), text);
	if (!products.length) return root.remove();
	await loadStyle("product-cards.css");
	new Shelf(root, products, say);
}
