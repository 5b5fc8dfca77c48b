// A form made from a JSON schema: for a tool run by hand, and for a prompt's arguments.
import {messageOf} from "./backend.js";
import {attr, h} from "./elements.js";
import {visible} from "./exact-text.js";
import {localised, t, textOf} from "./i18n.js";
import {isObject, parseJson} from "./tool-result.js";

/** @typedef {[HTMLElement, () => unknown]} Field an element, and what reads it; throws on bad JSON */

const MAX_REFERENCES = 20; // that are followed from one place: they may lead in a circle
const MAX_DEPTH = 5; // of forms within forms; what lies deeper, or is too much, is typed in as JSON
const MAX_FIELDS = 200;
/** @type {Record<string, string>} */
const HINTS = {array: "[ ]", object: "{ }"};
/** The steps of numbers. @type {Record<string, string>} */
const NUMBERS = {integer: "1", number: "any"};
/** The fields of texts. @type {Record<string, string>} */
const FORMATS = {email: "email", uri: "url", date: "date", "date-time": "datetime-local"};

/** What a reference within the schema points to. @param {unknown} ref @param {unknown} root */
function pointed(ref, root) {
	if (typeof ref !== "string" || ref[0] !== "#") return undefined;
	const names = ref.split("/").slice(1);
	return names.reduce((/** @type {any} any: somebody's schema */ at, part) => {
		const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
		return isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined;
	}, root);
}

/** Follow references; of alternatives, take the first that is not null. @type {(schema: unknown, root: unknown, steps?: number) => Schema} */
export function resolveSchema(schema, root, steps = MAX_REFERENCES) {
	if (!isObject(schema)) return {};
	const {$ref, anyOf, oneOf, allOf, ...own} = schema;
	const options = [anyOf, oneOf, allOf].filter(Array.isArray).flat();
	const choices = options.filter(option => isObject(option) && "const" in option);
	if (choices.length) {
		const names = choices.map(option => option.title ?? option.const);
		return {type: "string", ...own, enum: choices.map(option => option.const), enumNames: names};
	}
	const target = pointed($ref, root) ?? options.find(option => isObject(option) && option.type !== "null");
	const found = target && steps ? {...own, ...resolveSchema(target, root, steps - 1)} : own;
	const type = [found.type].flat().find(name => name !== "null");
	return /** @type {Schema} */ ({...found, type});
}

/** What can be chosen, each with its name. @param {Schema} shape @returns {[unknown, string][]} */
function choicesOf({type, enum: listed, enumNames: names}) {
	const [options, labels] =
		type === "boolean"
			? [
					[true, false],
					[t("yes"), t("no")],
				]
			: [listed, names];
	if (!Array.isArray(options)) return [];
	return options.map((option, i) => [option, textOf(Array.isArray(labels) ? (labels[i] ?? option) : option)]);
}

/** @type {(name: string, shape: Schema, isRequired: boolean) => Field} */
function control(name, shape, isRequired) {
	const {type, format, default: usual} = shape;
	const options = choicesOf(shape);
	if (options.length) {
		const choice = options.map(([option, label], i) =>
			h("option", attr({value: i, selected: option === usual}), visible(label)),
		);
		const select = h("select", attr({required: isRequired}), h("option", attr({value: ""})), choice);
		return [select, () => (select.value ? options[Number(select.value)][0] : undefined)];
	}
	const kind = `${type}` === "string" ? FORMATS[`${format}`] : NUMBERS[`${type}`] && "number";
	/** @param {unknown} bound */
	const number = bound => (typeof bound === "number" ? bound : undefined);
	const props = {
		...{placeholder: HINTS[`${type}`], required: isRequired, type: kind},
		...{min: number(shape.minimum), max: number(shape.maximum), step: NUMBERS[`${type}`]},
		...{minlength: number(shape.minLength), maxlength: number(shape.maxLength)},
	};
	const input = h("input", attr(props));
	const text = typeof usual === "object" ? JSON.stringify(usual) : textOf(usual ?? "");
	input.value = kind === "datetime-local" && usual ? localTime(text) : text;
	const read = () => {
		if (kind === "datetime-local" && input.value) return new Date(input.value).toISOString();
		if (!input.value || type === "string") return input.value || undefined;
		const value = parseJson(input.value);
		if (value === undefined && type) throw new Error(t("badJson", {name}));
		return value === undefined ? input.value : value;
	};
	return [input, read];
}

/** A moment as the field for it takes it, on the reader's clock. @param {string} text */
function localTime(text) {
	const at = new Date(text);
	if (Number.isNaN(at.getTime())) return "";
	return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** Several of a list can be chosen. @type {(shape: Schema, options: [unknown, string][], isRequired: boolean) => Field} */
function severalOf({minItems, maxItems, default: usual}, options, isRequired) {
	const least = isRequired || minItems ? Number(minItems ?? 0) : 0;
	const boxes = options.map(([option]) =>
		h("input", attr({type: "checkbox", checked: Array.isArray(usual) && usual.includes(option)})),
	);
	const group = h(
		"",
		boxes.map((box, i) => h("label.check", box, visible(options[i][1]))),
	);
	const check = () => {
		const n = boxes.filter(({checked}) => checked).length;
		const isOdd = n < least || n > Number(maxItems ?? n);
		boxes[0].setCustomValidity(isOdd ? t("chooseSome", {least, most: `${maxItems ?? boxes.length}`}) : "");
	};
	group.onchange = check;
	check();
	const read = () => {
		const chosen = options.filter((_, i) => boxes[i].checked).map(([option]) => option);
		return chosen.length || isRequired ? chosen : undefined;
	};
	return [group, read];
}

/** @type {(shape: Schema) => [string, unknown][]} */
const partsOf = ({properties}) => (isObject(properties) ? Object.entries(properties) : []);

/** @param {Schema} shape */
const aboutOf = ({description}) => visible(localised(textOf(description ?? "")));

/** The fields for a schema. @param {Schema} root into which references point @returns {Field} */
function fieldsFor(root) {
	let room = MAX_FIELDS;

	/** @type {(name: string, schema: unknown, isRequired: boolean, depth: number) => Field} */
	function field(name, schema, isRequired, depth) {
		const shape = resolveSchema(schema, root);
		const inner = partsOf(shape).length;
		if (inner && inner <= room && depth <= MAX_DEPTH) return group(name, shape, isRequired, depth);
		const several = shape.type === "array" ? choicesOf(resolveSchema(shape.items, root)) : [];
		const label = h(shape.title ? "b" : "code", visible(textOf(shape.title ?? name)), isRequired && " *");
		if (several.length) {
			const [group, read] = severalOf(shape, several, isRequired);
			return [h("fieldset.field", h("legend", label), h("small", aboutOf(shape)), group), read];
		}
		const [input, read] = control(name, inner ? {...shape, type: "object"} : shape, isRequired);
		return [h("label.field", label, h("small", aboutOf(shape)), input), read];
	}

	/** @type {(name: string, shape: Schema, isRequired: boolean, depth: number) => Field} */
	function group(name, shape, isRequired, depth) {
		const required = Array.isArray(shape.required) ? shape.required : [];
		const parts = partsOf(shape);
		room -= parts.length;
		const fields = parts.map(([key, part]) =>
			field(key, part, isRequired && required.includes(key), depth + 1),
		);
		const readAll = () => Object.fromEntries(fields.map(([, read], i) => [parts[i][0], read()]));
		return [h("fieldset", h("legend", visible(name)), ...fields.map(([element]) => element)), readAll];
	}

	const shape = resolveSchema(root, root);
	return partsOf(shape).length <= room ? group("", shape, true, 0) : field("JSON", shape, false, 0);
}

/**
 * A form for a schema; what `run` makes of the values is shown below it.
 * @param {string} title @param {Schema} schema @param {(values: unknown) => Promise<HTMLElement | string>} run
 * @param {string} label @param {...HTMLElement} more buttons
 */
export function schemaForm(title, schema, run, label, ...more) {
	const output = h(".output", attr({role: "status"}));
	const [fields, read] = fieldsFor(schema);
	const onsubmit = async (/** @type {SubmitEvent} */ event) => {
		event.preventDefault();
		try {
			output.replaceChildren(await run(read() ?? {}));
		} catch (error) {
			output.replaceChildren(h("p.bad", messageOf(error)));
		}
	};
	const submit = Object.assign(h("button.btn.primary", label), {type: "submit"});
	return h("form.try", attr({onsubmit}), h("h4", title), fields, h(".row", submit, more), output);
}
