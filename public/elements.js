// Builds, finds and fills elements, and changes lists in place; text never becomes HTML here.
import {messageOf} from "./backend.js";
import {t, textOf} from "./i18n.js";

/** @template {string} T @typedef {T extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[T] : HTMLElement} ElementOf */
/** @typedef {unknown} Child a node, or a value that is shown as text; false, "", null and undefined are left out */
/** @typedef {string | number | boolean | null | undefined} Value */
/** @typedef {(typeof NAMES)[number]} Name */
/** @typedef {{[event in (typeof EVENTS)[number]]?: (event: any) => unknown}} Listeners any: the event's own type */
/** @typedef {{[name in Name]?: Value} & Listeners} Props */

const EVENTS = /** @type {const} */ (["onclick", "onsubmit", "onchange", "ontoggle"]);
const NAMES = /** @type {const} */ ([
	...["aria-current", "aria-hidden", "aria-label", "checked", "data-status", "download", "href", "max"],
	...["maxlength", "min", "minlength", "placeholder", "rel", "required", "role", "scope", "selected", "step"],
	...["tabindex", "target", "title", "type", "value"],
]);
const LINK = /^(https?|mailto|blob):/i;
const TOAST_MS = 7000;
export const DEAF_MS = 400; // so that an Enter meant for the question decides nothing

class Attributes {
	/** @param {Props} props */
	constructor(props) {
		this.props = props;
	}
}

/** Attributes and listeners. Only what comes from here is taken for that: any other object is shown as text. @param {Props} props */
export const attr = props => new Attributes(props);

/** An element from "tag.class" (".class" is a div). @template {string} N @param {N} name @param {...Child} rest */
export function h(name, ...rest) {
	const [tag, ...classes] = name.split(".");
	const element = document.createElement(tag || "div");
	if (classes.length) element.className = classes.join(" ");
	if (tag === "button") element.setAttribute("type", "button");
	for (const child of rest.flat()) {
		if (child instanceof Attributes) setAttributes(element, child.props);
		else if (child || child === 0) element.append(child instanceof Node ? child : textOf(child));
	}
	return /** @type {ElementOf<N extends `${infer T}.${string}` ? T : N>} */ (element);
}

/** A listener whose work fails says why; what it returns cancels no event, as that of a property would. @type {(listener: (event: Event) => unknown) => (event: Event) => void} */
export const telling = listener => event => {
	const work = listener(event);
	if (work instanceof Promise) work.catch(error => toast(messageOf(error)));
};

/** Names of the lists above only, and values as text. @param {HTMLElement} element @param {Props} props */
function setAttributes(element, props) {
	for (const name of EVENTS) {
		const listener = Object.hasOwn(props, name) && props[name];
		if (typeof listener === "function") element.addEventListener(name.slice(2), telling(listener));
	}
	for (const name of NAMES) {
		const value = Object.hasOwn(props, name) ? (props[name] ?? false) : false;
		if (value === false || (name === "href" && !LINK.test(textOf(value)))) continue;
		element.setAttribute(name, value === true ? "" : textOf(value));
	}
}

/** The element with this id, of this class. @template {HTMLElement} E @param {string} id @param {new () => E} [kind] @returns {E} */
export function $(id, kind) {
	const element = document.getElementById(id);
	if (!(element instanceof (kind ?? HTMLElement))) throw new Error(`no such element: ${id}`);
	return /** @type {E} */ (element);
}

// Lists that change in place: what is in them may just be pressed, or in focus.

/** Put an element before another, or last; what moves keeps its focus where the browser can. @type {(parent: Element, element: Element, next: Element | null) => void} */
function put(parent, element, next) {
	const isMove = "moveBefore" in parent && element.isConnected && parent.isConnected;
	parent[isMove ? "moveBefore" : "insertBefore"](element, next);
}

/** With as few moves as a small change needs: what is in its place stays there, for it may just be pressed. @param {Element} parent @param {Element[]} wanted its first children from now on, after `kept` others */
export function arrange(parent, wanted, kept = 0) {
	for (const [i, element] of wanted.entries()) {
		const there = parent.children[i + kept] ?? null;
		if (there && there.nextElementSibling === element)
			put(parent, there, null); // which belongs further down
		else if (there !== element) put(parent, element, there);
	}
}

/** The same with nothing else in it. @param {Element} parent @param {Element[]} wanted */
export function refill(parent, wanted) {
	const kept = new Set(wanted);
	for (const child of [...parent.children]) if (!kept.has(child)) child.remove();
	arrange(parent, wanted);
}

/** The same where what looks like before stays as it is, so that its listeners know nothing of what was drawn. @param {Element} parent @param {Element[]} wanted */
export function refillChanged(parent, wanted) {
	const [...old] = parent.children;
	const kept = wanted.map(made => {
		const known = old.findIndex(each => each.isEqualNode(made));
		return known < 0 ? made : old.splice(known, 1)[0];
	});
	refill(parent, kept);
}

/** @type {Map<string, Promise<unknown>>} */
const sheets = new Map();

/** A style that comes with the first of what it is for. @param {string} name of its file */
export function loadStyle(name) {
	const loaded = sheets.get(name) ?? addStyle(name);
	sheets.set(name, loaded);
	return loaded;
}

/** @param {string} name */
const addStyle = name =>
	new Promise(resolve => {
		const link = h("link", attr({rel: "stylesheet"}));
		link.href = `static/${name}`;
		link.onload = link.onerror = resolve;
		document.head.append(link);
	});

/** @type {(element: Element, work: () => unknown) => void} */
export function onceSeen(element, work) {
	const sight = new IntersectionObserver(entries => {
		if (!entries.some(({isIntersecting}) => isIntersecting)) return;
		sight.disconnect();
		work();
	});
	sight.observe(element);
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
	h(`button.icon.${name}`, attr({title, "aria-label": title, onclick}), icon(name));

/** @param {() => string} text */
export const copyButton = text => iconButton("copy", () => copyText(text()));

/** @param {string} label @param {(event: MouseEvent) => unknown} onclick */
export const button = (label, onclick, kind = "") => h(`button.btn${kind}`, attr({onclick}), label);

/** Sends its form. @param {string} label */
export const submitButton = (label, kind = ".primary") =>
	h(`button.btn${kind}`, attr({type: "submit"}), label);

/** A button that decides about what was shown, and is deaf to keys at first. @type {(label: string, about: {shownAt: number}, act: () => void, kind?: string) => HTMLButtonElement} */
export const decision = (label, about, act, kind) =>
	button(label, event => (event.detail > 0 || performance.now() - about.shownAt > DEAF_MS) && act(), kind);

/** @param {HTMLElement} box @param {string} selector of what gets the focus there */
export const focusIn = (box, selector) =>
	/** @type {HTMLElement | null} */ (box.querySelector(selector))?.focus({preventScroll: true});

/** @type {(event: KeyboardEvent, key: string) => boolean} What an input method takes for itself is none (keyCode 229 in Safari). */
const isKey = (event, key) => event.key === key && !event.isComposing && event.keyCode !== 229;

/** @param {KeyboardEvent} event */
export const isEnter = event => isKey(event, "Enter") && !event.shiftKey;

/** @param {KeyboardEvent} event */
export const isEscape = event => isKey(event, "Escape");

/** Escape leaves what is being written, and nothing around that. @param {HTMLElement} box @param {() => void} leave */
export const onEscape = (box, leave) =>
	box.addEventListener("keydown", event => {
		if (!isEscape(event)) return;
		event.stopPropagation();
		leave();
	});

/** A short text that is edited: Enter takes it, Escape leaves it, and nothing around it. @type {(field: HTMLElement, take: () => void, leave: () => void) => void} */
export const onLineKeys = (field, take, leave) =>
	field.addEventListener("keydown", event => {
		if (!isEnter(event) && !isEscape(event)) return;
		event.preventDefault();
		event.stopPropagation();
		if (isEnter(event)) take();
		else leave();
	});

/** An Enter that is held down presses and sends once: what is asked next is not meant by it. @param {KeyboardEvent} event */
export const onlyOnce = event =>
	event.repeat &&
	event.key === "Enter" &&
	!(event.target instanceof HTMLTextAreaElement) &&
	event.preventDefault();

/** Where there is no clipboard, as over plain HTTP, what is selected is copied. @param {unknown} text */
export async function copyText(text) {
	let isCopied = true;
	try {
		await navigator.clipboard.writeText(textOf(text));
	} catch {
		const focused = /** @type {HTMLElement | null} */ (document.activeElement);
		const field = h("textarea.sr", text);
		topmost().append(field);
		field.select();
		isCopied = document.execCommand("copy");
		field.remove();
		focused?.focus({preventScroll: true});
	}
	toast(t(isCopied ? "copied" : "notCopied"));
}

/** What lies behind a dialog is neither seen nor heard. */
const topmost = () => [...document.querySelectorAll("dialog:modal")].at(-1) ?? document.body;

/** @param {string} name @param {string} value @param {(value: string) => unknown} onpick */
export function bindRadios(name, value, onpick) {
	for (const element of document.getElementsByName(name)) {
		const radio = /** @type {HTMLInputElement} */ (element);
		radio.checked = radio.value === value;
		radio.onchange = telling(() => onpick(radio.value));
	}
}

/**
 * A dialog over the page: Escape and its cross close it, and the focus goes back to where it was. The class `large` is
 * for one that is read, not just answered.
 * @param {string} title @param {...Child} content
 */
export function openDialog(title, ...content) {
	const cross = iconButton("x", () => dialog.close(), t("close"));
	/** @type {HTMLDialogElement} */
	const dialog = h("dialog.pop", attr({"aria-label": title}), h("header.bar", h("h3", title), cross));
	const body = h(".content", ...content);
	dialog.append(body);
	/** @type {HTMLElement | null} */
	const under = document.querySelector(":popover-open"); // which a dialog closes
	dialog.addEventListener("close", () => {
		document.body.append($("toast")); // which may be in it
		dialog.remove();
		under?.showPopover();
	});
	document.body.append(dialog);
	dialog.showModal();
	focusIn(body, "input, select, textarea, .btn, summary");
	return dialog;
}

/** @param {string} text @param {string} [label] @param {() => void} [action] */
export function toast(text, label, action) {
	const box = h(".toast", text);
	const act = () => {
		box.remove();
		action?.();
	};
	if (label) box.append(button(label, act));
	topmost().append($("toast"));
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
