// Elements from data, without ever parsing text as HTML.
import {t} from "./i18n.js";

/** An element from "tag.class" (or a div), properties or attributes, and children. */
export function h(name, ...rest) {
	const [tag, ...classes] = name.split(".");
	const element = document.createElement(tag || "div");
	if (classes.length) element.className = classes.join(" ");
	if (tag === "button") element.type = "button";
	for (const [key, value] of Object.entries(rest[0]?.constructor === Object ? rest.shift() : {})) {
		if (value === undefined || value === null || /html|style|src/i.test(key)) continue; // not even by mistake
		if (typeof value === "function") element.addEventListener(key.slice(2), value); // its answer cancels nothing
		else if (key in element) element[key] = value;
		else element.setAttribute(key, value);
	}
	element.append(...rest.flat().filter(child => child || child === 0));
	return element;
}

export function icon(name) {
	const svg = ($(`i-${name}`) ?? $("i-x")).cloneNode(true);
	svg.removeAttribute("id");
	return svg;
}

export const iconButton = (name, onclick, title = t(name)) => h(`button.icon.${name}`, {title, ariaLabel: title, onclick}, icon(name));
export const button = (label, onclick, kind = "") => h(`button.btn${kind}`, {onclick}, label);
export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
export const $ = id => document.getElementById(id);

// The Enter that picks a word in an input method is none (229 in Safari).
export const isEnter = event => event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229;

/** Change a text where it stands: Enter takes it, leaving or Escape does not. */
export function editInPlace(box, text, label, take) {
	const field = h("textarea", {value: text, ariaLabel: label});
	field.onblur = () => field.replaceWith(box);
	field.onkeydown = event => {
		if (!isEnter(event) && event.key !== "Escape") return;
		event.preventDefault();
		const words = field.value.trim();
		field.blur();
		if (words && isEnter(event)) take(words);
	};
	box.replaceWith(field);
	field.select();
}

export function bind(name, value, onpick) {
	for (const radio of document.getElementsByName(name)) {
		radio.checked = radio.value === value;
		radio.onchange = () => onpick(radio.value);
	}
}

export function toast(text, label, action) {
	const box = h(".toast", text, label && button(label, () => (box.remove(), action())));
	$("toast").replaceChildren(box);
	setTimeout(() => box.remove(), 7000);
}
