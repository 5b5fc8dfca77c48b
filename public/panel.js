// The panel's first tab: the shop, read through the same tools as the model uses.
import {findTool, shopServer, sleep} from "./backend.js";
import {$, bindRadios, button, h, telling} from "./elements.js";
import {readable, visible} from "./exact-text.js";
import {setShopZone, shopDays, t} from "./i18n.js";
import {preferences, setPreference} from "./preferences.js";
import {bar, OrderList, orderLines, StockList, saveOrders, say} from "./shop-lists.js";
import {pagesOf, readInventory, readPages, readProducts, readRows, takes} from "./tool-client.js";
import {cellText, flattenProducts, isNamed} from "./tool-result.js";

/** @import {OwnerDesk} from "./owner-desk.js" */
/** @typedef {(server: string, order: Order) => (() => void) | undefined} Lead what leads to where an order was bought */

/** @typedef {Panel["wish"]} Wish what is to be seen */

const POLL_MS = 1200; // a purchase made anywhere shows within 2 s, including the answer's own time
const RETRY_MS = 200;
const REST_MS = 400; // at least, between two of the works that nobody waits for
const MAX_REST_MS = 3000;
const MAX_BARS = 8;
/** @type {Row[]} */
const NO_ROWS = [];
const OWNERS_TOOLS = ["restock", "change_product", "cancel_order"];

const groupBy = () => preferences.salesBy ?? "product";
const shopName = () => shopServer()?.name ?? "";

/** @param {Row[]} rows */
function drawSales(rows) {
	const sales = /** @type {{label: string, amount: number, quantity: number}[]} */ (rows.slice(0, MAX_BARS));
	const max = Math.max(1, ...sales.map(({amount}) => amount));
	const bars = sales.map(({label, amount, quantity}) => {
		const pieces = h("small", t("pieces", {n: cellText("quantity", quantity)}));
		const name = h("span.bar-name", h("bdi", readable(label)), " ", pieces);
		return h("li.bar-row", bar(name, cellText("amount", amount), amount, max));
	});
	$("sales").replaceChildren(...(bars.length ? bars : [h("li.quiet", t("noOrders"))]));
}

/** Remember the names of products that have not been listed yet. @param {string} server @param {Order[]} orders */
async function nameProducts(server, orders) {
	const ids = orders.flatMap(({items}) => items.map(({productId}) => productId));
	const unnamed = [...new Set(ids)].filter(id => !isNamed(id));
	if (takes("get_inventory", server, "productIds")) flattenProducts(await readInventory(server, unnamed));
}

/** What is asked for while the work is under way is done once more after it, and no more than that. */
export class Refresher {
	/** @type {Promise<void> | null} */
	#running = null;
	#isAsked = false;
	#plan = 0;
	#restUntil = 0;

	/** @param {() => Promise<void>} work */
	constructor(work) {
		this.work = work;
	}

	/** Do it now; or, while it is under way, after that. It is done once the promise is. */
	run() {
		this.#isAsked = true;
		this.#running ??= this.#work();
		return this.#running;
	}

	/** Do it soon: what asks in quick succession asks once, and a shop that is slow is asked less often. */
	soon() {
		const begin = () => {
			this.#plan = 0;
			this.run();
		};
		this.#plan ||= Number(setTimeout(begin, this.#restUntil - performance.now()));
	}

	async #work() {
		const begun = performance.now();
		while (this.#isAsked) {
			this.#isAsked = false;
			await this.work();
		}
		const now = performance.now();
		this.#restUntil = now + Math.min(MAX_REST_MS, Math.max(REST_MS, 2 * (now - begun)));
		this.#running = null;
	}
}

export class Panel {
	#refresher = new Refresher(() => this.#refresh());
	#seen = "";
	#hired = "";
	#problem = "";
	#shown = "";
	/** @type {OwnerDesk | null} */
	#desk = null;

	/** @param {Lead} lead @param {(text: string) => void} sell asks for it @param {(product: Params) => void} show */
	constructor(lead, sell, show) {
		this.lead = lead;
		this.sell = sell;
		this.show = show;
		const wish = () => {
			$("shop").ariaBusy = "true"; // what is shown belongs to what was typed before
			return this.refresh();
		};
		this.stock = new StockList(wish, this.#fillProduct);
		this.orders = new OrderList(wish, this.#fillOrder);
		bindRadios("sales", groupBy(), group => {
			setPreference("salesBy", group);
			this.refresh();
		});
		$("csv").onclick = telling(() => {
			const [server, {filters}] = [shopName(), this.orders.wish];
			const pages = (/** @type {Params} */ until) => pagesOf(server, "get_orders", {...filters, ...until});
			return saveOrders(pages, orders => nameProducts(server, orders));
		});
		// What was changed while it could not be seen; before the first time nothing is known of a shop.
		const catchUp = (/** @type {IntersectionObserverEntry[]} */ [{isIntersecting}]) =>
			isIntersecting && this.#seen && this.refresh();
		new IntersectionObserver(catchUp).observe($("shop"));
	}

	/** @param {boolean} [anew] draw even what has not changed */
	refresh(anew = false) {
		if (anew) this.#hired = "";
		return this.#refresher.run();
	}

	/** Something at this server has changed; without one, anything may have. @param {string} [server] */
	changed(server = shopName()) {
		if (server === shopName() && this.#isSeen) this.#refresher.soon();
	}

	get #isSeen() {
		return !document.hidden && $("shop").checkVisibility();
	}

	/** Ask for as long as the page is open where nobody tells, or the shop does not answer. */
	async watch() {
		for (;;) {
			await sleep(this.#problem ? RETRY_MS : POLL_MS);
			if (this.#isSeen && (this.#problem || !shopServer()?.watched?.length)) await this.refresh();
		}
	}

	async #refresh() {
		const server = shopServer();
		this.#problem = server ? "" : "noShop";
		if (server) {
			await this.#load(server).catch(() => {
				this.#problem = "stale";
			});
		}
		say("shop-note", this.#problem && t(this.#problem));
		$("shop").className = `tab-body ${this.#problem}`;
	}

	get wish() {
		return {stock: this.stock.wish, orders: this.orders.wish, groupBy: groupBy()};
	}

	/** All is asked for before anything is awaited, so that answers come while the rest of the page is drawn. @param {Server} server */
	async #load(server) {
		const {name, status: state, timezone} = server;
		if (state !== "ready") throw new Error(state);
		setShopZone(timezone ?? "");
		const wish = this.wish;
		const readSum = (/** @type {Params} */ args) => readRows(name, "get_orders", args);
		const readSums = () =>
			Promise.all([
				readSum({groupBy: wish.groupBy}),
				readSum({...wish.orders.filters, groupBy: "total"}).catch(() => NO_ROWS),
			]);
		const products = readProducts(name, wish.stock.filters, wish.stock.max);
		const hired = this.#hire(name);
		const reading = Promise.all([
			products,
			readPages(pagesOf(name, "get_orders", wish.orders.filters), wish.orders.max),
			this.#seen ? null : readSums(),
			hired,
		]);
		this.stock.form.hidden = !takes("get_products", name, "query");
		this.orders.form.hidden = !takes("get_orders", name, "since");
		const showSoon = () => products.then(found => this.#drawStock(found, wish)); // before the others come
		if (!this.#seen) hired.then(showSoon).catch(() => {});
		shopDays(); // the first of its kind takes a while: now, while answers are on their way
		const [stock, {rows}, firstSums] = await reading;
		const orders = /** @type {Order[]} */ (rows);
		const now = JSON.stringify([stock, orders, wish, shopDays()]);
		const isNew = now !== this.#seen;
		const [sales, [total]] = firstSums ?? (isNew ? await readSums() : [[], []]);
		flattenProducts(stock.rows); // remembers the names, which the orders do not carry
		await nameProducts(name, orders);
		if (this.#isPast(wish)) return;
		$("shop").ariaBusy = null;
		if (!isNew) return;
		this.#seen = now;
		this.#drawStock(stock, wish);
		drawSales(sales);
		this.orders.draw(orders, total);
	}

	/** Whether something else is to be seen by now, for which there is another refresh. @param {Wish} wish */
	#isPast(wish) {
		return JSON.stringify(wish) !== JSON.stringify(this.wish);
	}

	/** @param {{rows: Row[], isWhole: boolean}} found @param {Wish} wish */
	#drawStock({rows, isWhole}, wish) {
		if (this.#isPast(wish)) return;
		const stock = /** @type {StockRow[]} */ (rows);
		this.stock.draw(stock, isWhole);
		if (!Object.keys(wish.stock.filters).length) this.#show(stock);
	}

	/** Tell of one that can be bought, as an example. @param {StockRow[]} rows */
	#show(rows) {
		const [first, second = first] = rows.filter(({quantity, product}) => quantity > 1 && product?.name);
		if (!second?.product) return;
		const {name, price} = second.product;
		const step = 10 ** Math.floor(Math.log10(Math.max(price, 1)));
		const product = {name: visible(name), budget: Math.ceil(price / step) * step};
		const told = JSON.stringify(product);
		if (told !== this.#shown) this.show(product);
		this.#shown = told;
	}

	/** Open the owner's desk where this server lets the owner use it; what was unfolded without it folds. @param {string} server */
	async #hire(server) {
		const tools = OWNERS_TOOLS.filter(name => findTool(name, server)?.honoursKey);
		if (server + tools === this.#hired) return;
		const {OwnerDesk} = tools.length ? await import("./owner-desk.js") : {OwnerDesk: null};
		this.#hired = server + tools;
		this.#desk = OwnerDesk && new OwnerDesk(server, () => this.refresh());
		$("desk").replaceChildren(...(this.#desk?.can("change_product") ? [this.#desk.create()] : []));
		this.stock.forget();
		this.orders.forget();
		this.#seen = "";
	}

	/** @type {Fill<StockRow>} */
	#fillProduct = (body, row) => {
		const about = h("p.quiet", row.product?.description);
		const {productId: id, product} = row;
		const buy = button(t("buy"), () =>
			this.sell(t("buyAsk", {name: visible(product?.name ?? `#${id}`), id})),
		);
		const only = button(t("ordersOf"), () => this.orders.only(id));
		body.append(h(".row", buy, only));
		const update = this.#desk?.fillProduct(body, row);
		body.prepend(about);
		return now => {
			about.textContent = now.product?.description ?? "";
			update?.(now);
		};
	};

	/** @type {Fill<Order>} */
	#fillOrder = (body, order) => {
		const lead = this.lead(shopName(), order);
		body.append(orderLines(order));
		if (lead) body.append(button(t("showConversation"), lead));
		return this.#desk?.fillOrder(body, order) ?? (() => {});
	};
}
