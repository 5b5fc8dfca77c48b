// A form made from a JSON schema: for a tool run by hand, and for a prompt's arguments.
import {messageOf} from "./backend.js";
import {h} from "./elements.js";
import {t} from "./i18n.js";
import {parseJson} from "./tool-result.js";

/**
 * @typedef {object} Schema of JSON Schema, the part that a form shows
 * @property {string} [type]
 * @property {string} [description]
 * @property {unknown[] | null} [enum]
 * @property {Record<string, Schema>} [properties]
 * @property {string[]} [required]
 * @property {string} [$ref]
 * @property {Record<string, Schema>} [$defs]
 * @property {Schema[] | null} [anyOf]
 */
/** @typedef {[HTMLElement, () => unknown]} Field an element, and what reads it; throws on bad JSON */

/**
 * Follow a reference; of alternatives, take the first that is not null.
 * @param {Schema} schema
 * @param {Schema} root
 * @returns {Schema}
 */
export function resolveSchema(schema, root) {
	const name = schema.$ref?.split("/").pop();
	const target = (name && root.$defs?.[name]) || schema.anyOf?.find(({type}) => type !== "null");
	return target ? {...schema, ...resolveSchema(target, root), anyOf: null} : schema;
}

/** @param {Schema} schema */
function control({type, enum: options = type === "boolean" ? [true, false] : null}) {
	if (options)
		return h(
			"select",
			["", ...options].map(option => h("option", `${option}`)),
		);
	return h("input", {placeholder: type === "array" ? "[ ]" : ""});
}

/**
 * @param {string} name
 * @param {Schema} schema
 * @param {Schema} root
 * @param {boolean} isRequired
 * @returns {Field}
 */
function field(name, schema, root, isRequired) {
	const shape = resolveSchema(schema, root);
	if (shape.properties) return group(name, shape, root, isRequired);
	const input = control(shape);
	input.required = isRequired;
	const read = () => {
		if (!input.value) return;
		const value = shape.type === "string" ? input.value : parseJson(input.value);
		if (value === undefined) throw new Error(t("badJson", {name}));
		return value;
	};
	return [h("label.field", h("code", name, isRequired && " *"), h("small", schema.description), input), read];
}

/**
 * @param {string} name
 * @param {Schema} schema
 * @param {Schema} root
 * @param {boolean} isRequired
 * @returns {Field}
 */
function group(name, {properties = {}, required = []}, root, isRequired) {
	const fields = Object.entries(properties).map(([key, part]) => {
		const [element, read] = field(key, part, root, isRequired && required.includes(key));
		return {key, element, read};
	});
	const readAll = () => Object.fromEntries(fields.map(({key, read}) => [key, read()]));
	return [
		h(
			"fieldset",
			h("legend", name),
			fields.map(({element}) => element),
		),
		readAll,
	];
}

/**
 * A form for a schema; what `run` makes of the values is shown below it.
 * @param {string} title
 * @param {Schema} schema
 * @param {(values: unknown) => Promise<HTMLElement | string>} run
 * @param {string} label
 * @param {...HTMLElement} more buttons
 */
export function schemaForm(title, schema, run, label, ...more) {
	const output = h(".output", {role: "status"});
	const [fields, read] = group("", schema, schema, true);
	const onsubmit = async (/** @type {SubmitEvent} */ event) => {
		event.preventDefault();
		try {
			output.replaceChildren(await run(read()));
		} catch (error) {
			output.replaceChildren(h("p.bad", messageOf(error)));
		}
	};
	const submit = h("button.btn.primary", label);
	submit.type = "submit";
	return h("form.try", {onsubmit}, h("h4", title), fields, h(".row", submit, more), output);
}
