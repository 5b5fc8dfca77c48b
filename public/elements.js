// Builds, finds and fills elements; text never becomes HTML here.
import {t} from "./i18n.js";

/**
 * @template {string} T
 * @typedef {T extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[T] : HTMLElement} ElementOf
 */
/** @typedef {Node | string | number | boolean | null | undefined} Child false, "" and null are left out */
/** @typedef {{[name: string]: unknown}} Props properties, attributes, and listeners as `onclick` */

const MARKUP_NAMES = /html|style|src/i; // a name from data must not turn its value into markup or a request
const TOAST_MS = 7000;

/** @param {unknown} value @returns {value is Props} */
const isProps = value => value?.constructor === Object;

/**
 * An element from "tag.class" (".class" is a div), properties and children.
 * @template {string} N
 * @param {N} name
 * @param {...(Props | Child | Child[])} rest
 */
export function h(name, ...rest) {
	const [tag, ...classes] = name.split(".");
	const element = document.createElement(tag || "div");
	if (classes.length) element.className = classes.join(" ");
	if (tag === "button") element.setAttribute("type", "button");
	const props = isProps(rest[0]) ? rest.shift() : {};
	for (const [key, value] of Object.entries(/** @type {Props} */ (props))) setProp(element, key, value);
	const children = /** @type {Child[]} */ (rest.flat());
	for (const child of children)
		if (child || child === 0) element.append(child instanceof Node ? child : `${child}`);
	return /** @type {ElementOf<N extends `${infer T}.${string}` ? T : N>} */ (element);
}

/** @type {(element: HTMLElement, key: string, value: any) => void} any: the property's own type */
function setProp(element, key, value) {
	if (value === undefined || value === null || MARKUP_NAMES.test(key)) return;
	// A listener, not the property: what a handler returns must not cancel the event.
	if (typeof value === "function") element.addEventListener(key.slice(2), value);
	else if (key in element) Object.assign(element, {[key]: value});
	else element.setAttribute(key, value);
}

/**
 * The element with this id, which is of this class.
 * @template {HTMLElement} E
 * @param {string} id
 * @param {new () => E} [kind]
 * @returns {E}
 */
export function $(id, kind) {
	const element = document.getElementById(id);
	if (!(element instanceof (kind ?? HTMLElement))) throw new Error(`no such element: ${id}`);
	return /** @type {E} */ (element);
}

/** @param {string} name */
export function icon(name) {
	const symbol = document.getElementById(`i-${name}`) ?? document.getElementById("i-x");
	const svg = /** @type {Element} */ (symbol?.cloneNode(true));
	svg.removeAttribute("id");
	return svg;
}

/** @param {string} name @param {() => unknown} onclick */
export const iconButton = (name, onclick, title = t(name)) =>
	h(`button.icon.${name}`, {title, ariaLabel: title, onclick}, icon(name));

/** @param {string} label @param {(event: MouseEvent) => unknown} onclick */
export const button = (label, onclick, kind = "") => h(`button.btn${kind}`, {onclick}, label);

/**
 * @param {KeyboardEvent} event The Enter that picks a word in an input method is none (keyCode 229 in Safari).
 */
export const isEnter = event =>
	event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229;

/**
 * Edit a text in its place: Enter saves it, leaving or Escape does not.
 * @param {HTMLElement} box @param {string} text @param {string} label @param {(text: string) => void} save
 */
export function editInPlace(box, text, label, save) {
	const field = h("textarea", {value: text, ariaLabel: label});
	field.onblur = () => field.replaceWith(box);
	field.onkeydown = event => {
		if (!isEnter(event) && event.key !== "Escape") return;
		event.preventDefault();
		const edited = field.value.trim();
		field.blur();
		if (edited && isEnter(event)) save(edited);
	};
	box.replaceWith(field);
	field.select();
}

/** @param {string} name @param {string} value @param {(value: string) => void} onpick */
export function bindRadios(name, value, onpick) {
	for (const element of document.getElementsByName(name)) {
		const radio = /** @type {HTMLInputElement} */ (element);
		radio.checked = radio.value === value;
		radio.onchange = () => onpick(radio.value);
	}
}

/** @param {string} text @param {string} [label] @param {() => void} [action] */
export function toast(text, label, action) {
	const box = h(".toast", text);
	const act = () => {
		box.remove();
		action?.();
	};
	if (label) box.append(button(label, act));
	$("toast").replaceChildren(box);
	setTimeout(() => box.remove(), TOAST_MS);
}

/** Put the words of the current language where index.html names them. */
export function labelPage() {
	for (const element of document.querySelectorAll("[data-t], [data-label]")) {
		const {t: text, label} = /** @type {HTMLElement} */ (element).dataset;
		if (text) element.textContent = t(text);
		if (label) Object.assign(element, {ariaLabel: t(label), placeholder: t(label)});
		if (label && element.matches("button")) element.setAttribute("title", t(label));
	}
}
