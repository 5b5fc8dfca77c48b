// What an owner does in the panel, through the owner's tools; loaded where the shop's server lists them.
import {findTool, isUnknown, messageOf, readContents} from "./backend.js";
import {heldIn} from "./conversations.js";
import {attr, button, focusIn, h, submitButton, toast} from "./elements.js";
import {failureText, formatMoney, formatNumber, formatTime, t, textOf} from "./i18n.js";
import {fieldsOf} from "./shop-lists.js";
import {keyedCall, readInventory} from "./tool-client.js";
import {cellText, dataOf, rowsOf} from "./tool-result.js";

/** @typedef {(values: Params, submitter: HTMLButtonElement) => Params | null | Promise<Params | null>} ArgsOf null: not yet */
/** @typedef {HTMLInputElement | HTMLTextAreaElement} Field */

const COUNT = {type: "number", min: "1", max: "1000000", step: "1", required: true, name: "count"};
const PRICE = {type: "number", min: "0", max: "10000000", step: "0.01", required: true, name: "price"};
const STOCK = {type: "number", min: "0", max: "10000000", step: "1", name: "quantity"};
const NAME = {maxLength: 200, name: "name", required: true, pattern: ".*\\S.*"};
const ABOUT = {maxLength: 2000, name: "description"};
const REASON = {maxLength: 200, name: "reason"};

/** @param {string} label @param {...HTMLElement} content */
function folded(label, ...content) {
	const details = h("details.more", h("summary", t(label)), content);
	details.open = content.some(each => each.matches(".typed"));
	return details;
}

/** @param {unknown} words with commas between them, if there are any */
const keywordsOf = words => {
	const all = textOf(words).split(/[,，、]/);
	return words ? {keywords: all.map(word => word.trim()).filter(Boolean)} : {};
};

/** @param {string} label @param {Partial<HTMLInputElement>} props @param {"input" | "textarea"} [kind] */
const field = (label, props, kind = "input") =>
	h("label", h("span", t(label)), Object.assign(h(kind), props));

/** @param {string} label @param {string} [value] @param {string} [kind] */
const submit = (label, value = "", kind = "") => Object.assign(submitButton(t(label), kind), {value});

/** What was typed stays until it is done; what may have been done is sent again as the same call. */
class WriteForm {
	#output = h(".output.whole", attr({role: "status"}));

	/** @param {OwnerDesk} desk @param {string} tool @param {unknown} of what @param {HTMLElement[]} fields @param {ArgsOf} argsOf @param {(result: any) => unknown} done */
	constructor(desk, tool, of, fields, argsOf, done) {
		this.desk = desk;
		this.typing = heldIn(`${desk.server} ${tool} ${of}`);
		this.start = () => keyedCall(desk.server, tool);
		this.call = this.start(); // for the next intent
		this.done = done;
		this.box = h("fieldset.fields", fields);
		this.form = h("form", this.box, this.#output);
		/** @type {HTMLInputElement[]} */
		this.inputs = [...this.form.querySelectorAll(/** @type {"input"} */ ("input, textarea"))];
		this.form.oninput = () => this.#note();
		this.form.onreset = () => {
			this.typing.typed?.();
			this.form.classList.remove("typed");
		};
		this.form.onsubmit = async event => {
			event.preventDefault();
			const values = fieldsOf(this.form);
			this.#begin();
			const args = await argsOf(values, /** @type {HTMLButtonElement} */ (event.submitter));
			if (args) await this.#send(args);
			else this.#unlock();
		};
	}

	#note() {
		const now = this.inputs.filter(({value, defaultValue}) => value !== defaultValue);
		this.form.classList.toggle("typed", now.length > 0);
		this.typing.typed?.(Object.fromEntries(now.map(({name, value}) => [name, value])));
	}

	/** What was typed before, into the fields as they are now. */
	resume() {
		const before = this.typing.begun ?? {};
		for (const input of this.inputs.filter(({name}) => Object.hasOwn(before, name)))
			input.value = before[input.name];
		this.#note();
		return this.form;
	}

	/** @param {...unknown} said */
	say(...said) {
		this.#output.append(h(".content", said));
	}

	#begin() {
		this.box.disabled = true;
		this.#output.replaceChildren();
	}

	#unlock() {
		this.box.disabled = false;
		this.#focus("input");
	}

	/** The focus is lost where what has it is disabled or goes. @param {string} selector of what gets it */
	#focus(selector) {
		if (document.activeElement === document.body) focusIn(this.form, selector);
	}

	/** @param {Params} args */
	async #send(args) {
		this.#begin();
		/** @type {ToolAnswer & {mayBeDone?: boolean}} */
		const answer = await this.call(args).catch(error => ({
			...{result: messageOf(error), isError: true, mayBeDone: isUnknown(error)},
		}));
		if (answer.mayBeDone) this.#offerAgain(answer.result, args);
		else {
			this.say(answer.isError ? h("p.bad", failureText(answer)) : this.done(dataOf(answer.result)));
			if (!answer.isError) this.form.reset();
			this.#unlock();
		}
		await this.desk.refresh(); // what is true now is shown, whatever came of it
	}

	/** @param {string} why @param {Params} args */
	#offerAgain(why, args) {
		const leave = () => {
			this.call = this.start(); // the same once more is another intent
			this.#output.replaceChildren();
			this.#unlock();
		};
		const again = button(t("unknownRetry"), () => this.#send(args), ".primary");
		this.say(h("p.warned", t("unknownTitle")), h("p", why), h(".row", again, button(t("leaveIt"), leave)));
		this.#focus(".primary");
	}
}

export class OwnerDesk {
	/** @param {string} server @param {() => Promise<void>} refresh */
	constructor(server, refresh) {
		this.server = server;
		this.refresh = refresh;
	}

	/** @param {string} name */
	can(name) {
		const tool = findTool(name, this.server);
		return tool?.honoursKey === true && !tool.readOnly;
	}

	/** @type {Fill<StockRow>} */
	fillProduct = (body, row) => {
		/** @type {((row: StockRow) => void)[]} */
		const updates = [];
		if (this.can("restock")) body.prepend(this.#restock(row));
		if (this.can("change_product")) updates.push(this.#change(body, row));
		if (this.can("restock")) updates.push(this.#ledger(body, row));
		return now => {
			for (const update of updates) update(now);
		};
	};

	/** @param {StockRow} row */
	#restock({productId}) {
		const fields = [
			...[field("count", COUNT), field("reason", REASON)],
			...[submit("deliver", "1"), submit("correct", "-1")],
		];
		/** @type {ArgsOf} */
		const argsOf = ({count, reason}, {value}) => ({productId, change: Number(count) * Number(value), reason});
		const done = (/** @type {StockRow} */ {quantity}) => t("stockIs", {n: formatNumber(quantity)});
		return new WriteForm(this, "restock", productId, fields, argsOf, done).resume();
	}

	/** @param {HTMLElement} body @param {StockRow} row @returns {(row: StockRow) => void} */
	#change(body, {productId, ...row}) {
		/** @type {Record<string, string>} */
		const labels = {name: "productName", price: "unitPrice", description: "about"};
		const shown = [
			field(labels.name, NAME),
			field(labels.price, PRICE),
			field(labels.description, ABOUT, "textarea"),
		];
		const inputs = shown.map(label => /** @type {Field} */ (label.lastElementChild));
		/** What was typed over something else than is there now is said. @param {StockRow["product"]} product */
		const take = product => {
			const now = Object.entries(labels).map(([name]) => textOf(/** @type {any} */ (product)?.[name] ?? ""));
			const overtaken = inputs.filter(
				({value, defaultValue}, i) => ![defaultValue, now[i]].includes(value) && defaultValue !== now[i],
			);
			for (const [i, input] of inputs.entries()) input.defaultValue = now[i]; // which shows where nothing was typed
			const say = (/** @type {Field} */ {name, defaultValue}) =>
				h("p.warned", t("changedMeanwhile", {field: t(labels[name]), now: defaultValue}));
			if (overtaken.length) write.say(...overtaken.map(say));
			return !overtaken.length;
		};
		/** @type {ArgsOf} */
		const argsOf = async ({words, ...values}) => {
			const [fresh] = await readInventory(this.server, [productId]).catch(() => []);
			if (fresh && !take(/** @type {any} */ (fresh).product)) return null;
			const edited = inputs.filter(({value, defaultValue}) => value !== defaultValue);
			const changed = edited.map(({name}) =>
				name in values ? [name, values[name]] : ["clearDescription", true],
			);
			const args = {...Object.fromEntries(changed), ...keywordsOf(words)};
			return Object.keys(args).length ? {productId, ...args} : null;
		};
		const done = (/** @type {any} */ product) => take(product) && t("saved");
		const fields = [...shown, field("newKeywords", {name: "words"}), submit("save")];
		const write = new WriteForm(this, "change_product", productId, fields, argsOf, done);
		take(row.product);
		body.append(folded("changeProduct", write.resume()));
		return ({product}) => take(product);
	}

	/** Every change of a stock, newest first. @param {HTMLElement} body @param {StockRow} row */
	#ledger(body, {productId}) {
		const list = h("ul.moves");
		const load = async () => {
			if (!details.open) return;
			try {
				const moves = await readContents(this.server, `shop://products/${productId}/moves`);
				const rows = rowsOf(moves.map(({text = ""}) => text).join("")) ?? [];
				list.replaceChildren(...rows.map(drawMove));
			} catch (error) {
				list.replaceChildren(h("li.bad", messageOf(error)));
			}
		};
		const details = folded("ledger", list);
		details.ontoggle = load;
		body.append(details);
		return load;
	}

	/** The form for a new product. */
	create() {
		const fields = [
			...[field("productName", NAME), field("unitPrice", PRICE)],
			...[field("openingStock", STOCK), field("keywords", {name: "words"})],
			...[field("about", ABOUT, "textarea"), submit("create")],
		];
		/** @type {ArgsOf} */
		const argsOf = ({words, ...values}) => ({...values, ...keywordsOf(words)});
		const done = (/** @type {any} */ {id, name}) => t("created", {id, name});
		return folded("newProduct", new WriteForm(this, "change_product", "", fields, argsOf, done).resume());
	}

	/** @type {Fill<Order>} */
	fillOrder = (body, order) => {
		if (!this.can("cancel_order") || order.status === "cancelled") return () => {};
		const {id, customerName, totalAmount, items} = order;
		const named = {id, customer: customerName, amount: formatMoney(totalAmount)};
		const keep = Object.assign(submit("keepIt"), {type: "reset"});
		const fields = [
			h("p.whole", t("cancelAsk", {...named, items: cellText("items", items).replaceAll("\n", ", ")})),
			...[field("reason", REASON), h(".row.whole", submit("cancelYes", "", ".bad"), keep)],
		];
		/** @type {ArgsOf} */
		const argsOf = ({reason}) => ({orderId: id, reason});
		const done = () => toast(t("cancelDone", named));
		const form = new WriteForm(this, "cancel_order", id, fields, argsOf, done).resume();
		const details = folded("cancelOrder", form);
		const focusOn = (/** @type {Element | null | undefined} */ box) => box?.querySelector("summary")?.focus();
		form.addEventListener("reset", () => {
			details.open = false;
			focusOn(details);
		});
		body.append(details);
		return ({status}) => {
			if (status !== "cancelled") return;
			if (details.contains(document.activeElement)) focusOn(body.closest("details"));
			details.remove();
		};
	};
}

/** A line of the ledger. @param {Row} move */
function drawMove({change, kind, orderId, reason, moveDate}) {
	const why = [formatTime(textOf(moveDate)), orderId && `#${textOf(orderId)}`, reason].filter(Boolean);
	const sign = Number(change) > 0 ? "+" : "";
	const name = h("span.bar-name", t(`move_${kind}`), " ", h("small", why.join(" · ")));
	return h("li", name, h("b.num", sign + cellText("quantity", change)));
}
