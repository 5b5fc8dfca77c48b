// A form made from a JSON schema: for a tool run by hand, for a prompt's arguments, and for what a server asks.
import {messageOf} from "./backend.js";
import {attr, button, focusIn, h, iconButton, submitButton} from "./elements.js";
import {choicesOf, control, frame, number, resolveSchema, several} from "./form-fields.js";
import {t} from "./i18n.js";
import {isObject} from "./tool-result.js";

/** @import {Field} from "./form-fields.js" */

const MAX_DEPTH = 6; // of forms within forms; what lies deeper, or is too much, is typed in as JSON
const MAX_FIELDS = 200;
const MAX_ROWS = 100;
const MAX_FIRST_ROWS = 5; // of a list that wants some

/** @type {(shape: Schema) => [string, unknown][]} */
const partsOf = ({properties}) => (isObject(properties) ? Object.entries(properties) : []);

/** All of them say what is wrong. @param {(HTMLElement | undefined)[]} places @returns {HTMLElement | undefined} */
const firstOf = places => places.find(Boolean);

/** The rows of a list, each with its cross. */
class Rows {
	/** @type {(Field & {remove: HTMLElement})[]} */
	all = [];
	box = h("ul.rows");

	/** @param {(value: unknown) => Field} make @param {number} most @param {() => void} onadd */
	constructor(make, most, onadd) {
		this.make = make;
		this.most = most;
		this.add = button(t("addRow"), () => {
			onadd();
			focusIn(this.append(), "input, select, .btn");
		});
	}

	/** @param {unknown} [value] */
	append(value) {
		const item = this.make(value);
		const remove = iconButton("x", () => {
			this.all.splice(this.all.indexOf(row), 1);
			line.remove();
			this.number();
			this.add.focus();
			this.box.dispatchEvent(new Event("input", {bubbles: true}));
		});
		const row = {...item, remove};
		const line = h("li", item.root, remove);
		this.all.push(row);
		this.box.append(line);
		this.number();
		return line;
	}

	number() {
		for (const [i, {label, remove}] of this.all.entries()) {
			label.textContent = t("row", {n: i + 1});
			remove.ariaLabel = remove.title = t("removeRow", {n: i + 1});
		}
		this.add.disabled = this.all.length >= this.most;
	}
}

/** Makes the fields for a schema, into whose root references point. */
class Fields {
	#room = MAX_FIELDS;

	/** @param {Schema} root */
	constructor(root) {
		this.root = root;
	}

	/** All of them, with what was filled in before. @param {unknown} begun @returns {Field} */
	all(begun) {
		const shape = resolveSchema(this.root, this.root);
		const inner = partsOf(shape).length;
		const isOpen = !inner && Boolean(shape.additionalProperties);
		if (inner > this.#room || isOpen)
			return control("JSON", {...shape, type: "object"}, false, begun ?? shape.default);
		const whole = this.#group("", shape, true, 0, begun ?? shape.default);
		whole.label.parentElement?.remove(); // a class's name, which only programs know
		whole.root.removeAttribute("aria-describedby");
		whole.root.role = "none";
		return whole;
	}

	/** @type {(name: string, schema: unknown, isRequired: boolean, depth: number, given: unknown) => Field} */
	#field(name, schema, isRequired, depth, given) {
		const shape = resolveSchema(schema, this.root);
		const usual = given ?? shape.default;
		const inner = partsOf(shape).length;
		const items = resolveSchema(shape.items, this.root);
		const rows = Array.isArray(usual) ? usual.length : 1;
		const isDeep = depth > MAX_DEPTH;
		if (inner && inner <= this.#room && !isDeep) return this.#group(name, shape, isRequired, depth, usual);
		if (shape.type === "array" && Array.isArray(items.enum))
			return several(name, shape, isRequired, choicesOf(items), usual);
		if (shape.type === "array" && isObject(shape.items) && rows <= this.#room && !isDeep)
			return this.#list(name, {...shape, items}, isRequired, depth, usual);
		return control(name, inner ? {...shape, type: "object"} : shape, isRequired, usual);
	}

	/** What is usual of a group that nobody needs or touches is not said. @type {(name: string, shape: Schema, isRequired: boolean, depth: number, usual: unknown) => Field} */
	#group(name, shape, isRequired, depth, usual) {
		const given = isObject(usual) ? usual : {};
		const required = Array.isArray(shape.required) ? shape.required : [];
		this.#room -= partsOf(shape).length;
		const parts = partsOf(shape).map(([key, part]) => {
			const isNeeded = required.includes(key);
			return {key, isNeeded, ...this.#field(key, part, isNeeded, depth + 1, given[key])};
		});
		const {root, label} = frame(name, shape, isRequired && depth > 0, ...parts.map(part => part.root));
		let isTouched = isObject(usual);
		root.addEventListener("input", () => {
			isTouched = true;
		});
		/** @param {boolean} isNeeded */
		const isUsed = isNeeded => isNeeded || (isTouched && parts.some(({read}) => read(false) !== undefined));
		/** @param {boolean} isNeeded */
		const read = isNeeded =>
			isUsed(isNeeded)
				? Object.fromEntries(parts.map(part => [part.key, part.read(part.isNeeded)]))
				: undefined;
		/** @param {boolean} isNeeded */
		const check = isNeeded => firstOf(parts.map(part => part.check(part.isNeeded && isUsed(isNeeded))));
		return {root, label, read, check};
	}

	/** @type {(name: string, shape: Schema, isRequired: boolean, depth: number, usual: unknown) => Field} */
	#list(name, shape, isRequired, depth, usual) {
		const least = number(shape.minItems) ?? 0;
		const most = Math.min(number(shape.maxItems) ?? MAX_ROWS, MAX_ROWS);
		const item = {...resolveSchema(shape.items, this.root), title: undefined};
		if (partsOf(item).length) item.description = undefined; // which says no more than its fields do
		const rows = new Rows(
			value => this.#field("", item, false, depth + 1, value),
			most,
			() => {
				this.#room = MAX_FIELDS;
			},
		);
		const {root, label, problem} = frame(name, shape, isRequired, rows.box, rows.add);
		const first = isRequired ? Math.min(Math.max(least, 1), MAX_FIRST_ROWS) : 0;
		const values = Array.isArray(usual) && usual.length ? usual : new Array(first).fill(undefined);
		this.#room -= values.length;
		for (const value of values) rows.append(value);
		/** @param {boolean} isNeeded */
		const read = isNeeded => {
			const isSaid = isNeeded || rows.all.length > 0;
			return isSaid ? rows.all.map(row => row.read(true)) : undefined;
		};
		/** @param {boolean} isNeeded */
		const check = isNeeded => {
			const n = rows.all.length;
			const isShort = (isNeeded || n > 0) && n < least;
			const isLong = n > most;
			problem.textContent = isShort ? t("needMore", {n: least}) : isLong ? t("needFewer", {n: most}) : "";
			return firstOf([...rows.all.map(row => row.check(true)), isShort || isLong ? rows.add : undefined]);
		};
		return {root, label, read, check};
	}
}

/**
 * A form for a schema; what `run` makes of the values is shown below it.
 * @param {string} title @param {Schema} schema @param {(values: unknown) => Promise<HTMLElement | string>} run
 * @param {string} label @param {Typed} typing @param {...HTMLElement} more buttons
 */
export function schemaForm(title, schema, run, label, {begun, typed}, ...more) {
	const output = h(".output", attr({role: "status"}));
	const all = new Fields(schema).all(begun);
	let isRunning = false; // a double click runs it once
	const onsubmit = async (/** @type {SubmitEvent} */ event) => {
		event.preventDefault();
		if (isRunning) return;
		const wrong = all.check(true);
		if (wrong) return wrong.focus();
		isRunning = true;
		try {
			output.replaceChildren(await run(all.read(true) ?? {}));
		} catch (error) {
			output.replaceChildren(h("p.bad", messageOf(error)));
		} finally {
			isRunning = false;
		}
	};
	const form = h(
		"form.try",
		attr({onsubmit}),
		title && h("h3", title),
		all.root,
		h(".row", submitButton(label), more),
		output,
	);
	form.noValidate = true; // what is wrong is said below each field, in the reader's language
	form.addEventListener("input", () => typed?.(all.read(true)));
	return form;
}
