// The fields of a form that is made from a JSON schema: each with its label and, below it, what is wrong with it.
import {attr, h} from "./elements.js";
import {visible} from "./exact-text.js";
import {localised, t, textOf} from "./i18n.js";
import {isObject, parseJson} from "./tool-result.js";

/**
 * An element with its label; what reads it; and what says below it how it is wrong, and returns where to go then.
 * What is not needed and not filled in is undefined.
 * @typedef {{root: HTMLElement, label: HTMLElement, read: (isNeeded: boolean) => unknown} & Checked} Field
 * @typedef {{check: (isNeeded: boolean) => HTMLElement | undefined}} Checked
 */

const MAX_REFERENCES = 20; // that are followed from one place: they may lead in a circle
const NEARLY = 1e-9; // a multiple: 0.3 is three times 0.1
/** @type {Record<string, string>} */
const HINTS = {array: "[ ]", object: "{ }"};
/** The steps of numbers. @type {Record<string, string>} */
const NUMBERS = {integer: "1", number: "any"};
/** The fields of texts. @type {Record<string, string>} */
const FORMATS = {email: "email", uri: "url", date: "date", "date-time": "datetime-local"};

let fields = 0; // made so far: each has an id

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
	const {$ref, anyOf, oneOf, allOf, ...own} = "const" in schema ? {...schema, enum: [schema.const]} : schema;
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
export function choicesOf({type, enum: options, enumNames: labels}) {
	if (type === "boolean") return choicesOf({enum: [true, false], enumNames: [t("yes"), t("no")]});
	if (!Array.isArray(options)) return [];
	return options.map((option, i) => [option, textOf(Array.isArray(labels) ? (labels[i] ?? option) : option)]);
}

/** A number as a bound; anything else bounds nothing. @param {unknown} bound */
export const number = bound => (typeof bound === "number" ? bound : undefined);

/** @param {Schema} shape @param {number} value */
function problemOfNumber(shape, value) {
	const {minimum, maximum, exclusiveMinimum: above, exclusiveMaximum: below, multipleOf: step} = shape;
	if (shape.type === "integer" && !Number.isInteger(value)) return t("needWhole");
	if (value < (number(minimum) ?? value)) return t("needMin", {n: minimum});
	if (value > (number(maximum) ?? value)) return t("needMax", {n: maximum});
	if (value <= (number(above) ?? Number.NEGATIVE_INFINITY)) return t("needAbove", {n: above});
	if (value >= (number(below) ?? Number.POSITIVE_INFINITY)) return t("needBelow", {n: below});
	const steps = value / (number(step) || value || 1);
	return Math.abs(steps - Math.round(steps)) > NEARLY ? t("needStep", {n: step}) : "";
}

/** @param {Schema} shape @param {string} text */
function problemOfText({minLength, maxLength, pattern}, text) {
	const n = [...text].length;
	if (n < (number(minLength) ?? 0)) return t("needLonger", {n: minLength});
	if (n > (number(maxLength) ?? n)) return t("needShorter", {n: maxLength, length: n});
	try {
		return new RegExp(textOf(pattern ?? ""), "u").test(text) ? "" : t("needPattern", {pattern});
	} catch {
		return ""; // somebody's pattern, which is none here
	}
}

/** What is wrong with what is filled in, in words. @param {Schema} shape @param {unknown} value */
export function problemOf(shape, value) {
	const type = `${shape.type}`;
	if (NUMBERS[type]) return typeof value === "number" ? problemOfNumber(shape, value) : t("needNumber");
	if (type === "string") return problemOfText(shape, `${value}`);
	const isRight = type === "array" ? Array.isArray(value) : type !== "object" || isObject(value);
	return isRight ? "" : t("needJson");
}

/** What a field's label says, what it is about, and what is wrong with it; `tell` says the latter. @type {(name: string, shape: Schema, isRequired: boolean) => {id: string, label: HTMLElement, mark: string, about: HTMLElement, problem: HTMLElement}} */
function linesOf(name, {title, description}, isRequired) {
	const id = `field-${++fields}`;
	const label = h(title ? "b" : "code", visible(textOf(title ?? name)));
	const about = h("small", visible(localised(textOf(description ?? ""))));
	const problem = h("small.bad");
	[about.id, problem.id] = [`${id}-about`, `${id}-problem`];
	return {id, label, mark: isRequired ? " *" : "", about, problem};
}

/** A box of fields that belong together. @type {(name: string, shape: Schema, isRequired: boolean, ...content: HTMLElement[]) => {root: HTMLElement, label: HTMLElement, problem: HTMLElement}} */
export function frame(name, shape, isRequired, ...content) {
	const {label, mark, about, problem} = linesOf(name, shape, isRequired);
	const root = h("fieldset", h("legend", label, mark), about, content, problem);
	root.setAttribute("aria-describedby", `${about.id} ${problem.id}`);
	return {root, label, problem};
}

/** @param {[unknown, string][]} options @param {unknown} usual */
function selectOf(options, usual) {
	const choice = options.map(([option, label], i) =>
		h("option", attr({value: i, selected: option === usual}), visible(label)),
	);
	return h("select", h("option", attr({value: ""})), choice);
}

/** @param {Schema} shape @param {unknown} usual */
function inputOf({type, format, minimum, maximum}, usual) {
	const kind = `${type}` === "string" ? FORMATS[`${format}`] : NUMBERS[`${type}`] && "number";
	const bounds = {min: number(minimum), max: number(maximum), step: NUMBERS[`${type}`]};
	const input = h("input", attr({placeholder: HINTS[`${type}`], type: kind, ...bounds}));
	const text = typeof usual === "object" ? JSON.stringify(usual) : textOf(usual ?? "");
	input.value = kind === "datetime-local" && usual ? localTime(text) : text;
	return input;
}

/** A moment as the field for it takes it, on the reader's clock. @param {string} text */
function localTime(text) {
	const at = new Date(text);
	if (Number.isNaN(at.getTime())) return "";
	return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** @param {Schema} shape @param {HTMLInputElement | HTMLSelectElement} input */
function typedValue({type}, {value, type: kind}) {
	if (kind === "datetime-local") return new Date(value).toISOString();
	if (NUMBERS[`${type}`]) return Number(value);
	const parsed = type === "string" ? undefined : parseJson(value);
	return parsed === undefined ? value : parsed;
}

/** One value. @type {(name: string, shape: Schema, isRequired: boolean, usual: unknown) => Field} */
export function control(name, shape, isRequired, usual) {
	const options = choicesOf(shape);
	const input = options.length ? selectOf(options, usual) : inputOf(shape, usual);
	const {id, label, mark, about, problem} = linesOf(name, shape, isRequired);
	const read = () => {
		if (!input.value) return undefined;
		return options.length ? options[Number(input.value)][0] : typedValue(shape, input);
	};
	/** @param {boolean} isNeeded */
	const problemNow = isNeeded => {
		if (input.validity.badInput) return t(NUMBERS[`${shape.type}`] ? "needNumber" : "needDate");
		if (!input.value) return isNeeded ? t("need") : "";
		if (input.validity.typeMismatch) return t(`need_${shape.format}`);
		return options.length ? "" : problemOf(shape, read());
	};
	let isLastNeeded = false; // as it was asked last
	const check = (isNeeded = isLastNeeded) => {
		isLastNeeded = isNeeded;
		problem.textContent = problemNow(isNeeded);
		input.ariaInvalid = problem.textContent ? "true" : null;
		return problem.textContent ? input : undefined;
	};
	input.id = id;
	input.setAttribute("aria-describedby", `${about.id} ${problem.id}`);
	input.ariaRequired = isRequired ? "true" : null;
	// Not on the way to a button, which must not move from under a press.
	input.onblur = ({relatedTarget: to}) => to instanceof Element && to.matches("input, select") && check();
	input.oninput = () => problem.textContent && check();
	const named = Object.assign(h("label", label, mark), {htmlFor: id});
	return {root: h(".field", named, about, input, problem), label, read, check};
}

/** Several of a list can be chosen. @type {(name: string, shape: Schema, isRequired: boolean, options: [unknown, string][], usual: unknown) => Field} */
export function several(name, shape, isRequired, options, usual) {
	const chosen = Array.isArray(usual) ? usual : [];
	const boxes = options.map(([option]) =>
		h("input", attr({type: "checkbox", checked: chosen.includes(option)})),
	);
	const rows = boxes.map((box, i) => h("label.check", box, visible(options[i][1])));
	const {root, label, problem} = frame(name, shape, isRequired, ...rows);
	/** @param {boolean} isNeeded */
	const read = isNeeded => {
		const picked = options.filter((_, i) => boxes[i].checked).map(([option]) => option);
		return picked.length || isNeeded ? picked : undefined;
	};
	/** @param {boolean} isNeeded */
	const check = isNeeded => {
		const n = boxes.filter(({checked}) => checked).length;
		const [least, most] = [number(shape.minItems) ?? 0, number(shape.maxItems) ?? boxes.length];
		const isOdd = ((isNeeded || n) && n < least) || n > most;
		problem.textContent = isOdd ? t("chooseSome", {least, most}) : "";
		return isOdd ? boxes[0] : undefined;
	};
	root.onchange = () => problem.textContent && check(isRequired);
	return {root, label, read, check};
}
