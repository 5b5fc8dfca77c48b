// A form made from a JSON schema: for a tool run by hand, and for a prompt's arguments.
import {messageOf} from "./backend.js";
import {attr, h} from "./elements.js";
import {visible} from "./exact-text.js";
import {t, textOf} from "./i18n.js";
import {isObject, parseJson} from "./tool-result.js";

/** @typedef {[HTMLElement, () => unknown]} Field an element, and what reads it; throws on bad JSON */

const MAX_REFERENCES = 20; // that are followed from one place: they may lead in a circle
const MAX_DEPTH = 5; // of forms within forms; what lies deeper, or is too much, is typed in as JSON
const MAX_FIELDS = 200;
/** @type {Record<string, string>} */
const HINTS = {array: "[ ]", object: "{ }"};

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
	const target = pointed($ref, root) ?? options.find(option => isObject(option) && option.type !== "null");
	const found = target && steps ? {...own, ...resolveSchema(target, root, steps - 1)} : own;
	const type = [found.type].flat().find(name => name !== "null");
	return /** @type {Schema} */ ({...found, type});
}

/** @type {(name: string, shape: Schema) => [HTMLInputElement | HTMLSelectElement, () => unknown]} */
function control(name, {type, enum: listed}) {
	const options = Array.isArray(listed) ? listed : type === "boolean" && [true, false];
	if (options) {
		const choice = options.map((option, i) => h("option", attr({value: i}), visible(textOf(option))));
		const select = h("select", h("option", attr({value: ""})), choice);
		return [select, () => (select.value ? options[Number(select.value)] : undefined)];
	}
	const input = h("input", attr({placeholder: HINTS[`${type}`]}));
	const read = () => {
		if (!input.value || type === "string") return input.value || undefined;
		const value = parseJson(input.value);
		if (value === undefined && type) throw new Error(t("badJson", {name}));
		return value === undefined ? input.value : value;
	};
	return [input, read];
}

/** @type {(shape: Schema) => [string, unknown][]} */
const partsOf = ({properties}) => (isObject(properties) ? Object.entries(properties) : []);

/** The fields for a schema. @param {Schema} root into which references point @returns {Field} */
function fieldsFor(root) {
	let room = MAX_FIELDS;

	/** @type {(name: string, schema: unknown, isRequired: boolean, depth: number) => Field} */
	function field(name, schema, isRequired, depth) {
		const shape = resolveSchema(schema, root);
		const inner = partsOf(shape).length;
		if (inner && inner <= room && depth <= MAX_DEPTH) return group(name, shape, isRequired, depth);
		const [input, read] = control(name, inner ? {...shape, type: "object"} : shape);
		input.required = isRequired;
		const label = h("code", visible(name), isRequired && " *");
		return [h("label.field", label, h("small", shape.description), input), read];
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
