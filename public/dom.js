// Elements from data, without ever parsing text as HTML.
import {t} from "./i18n.js";

/** Make an element from "tag.class" (a div without tag), properties or attributes, and children; text stays text. */
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
	const [svg, use] = ["svg", "use"].map(tag => document.createElementNS("http://www.w3.org/2000/svg", tag));
	use.setAttribute("href", `#i-${name}`);
	svg.setAttribute("aria-hidden", "true");
	svg.append(use);
	return svg;
}

export const iconButton = (name, onclick, title = t(name)) => h("button.icon", {title, ariaLabel: title, onclick}, icon(name));
export const button = (label, onclick, kind = "") => h(`button.btn${kind}`, {onclick}, label);
export const $ = id => document.getElementById(id);

/** Whether this key ends an entry; the Enter that picks a word in an input method does not (229 in Safari). */
export const isEnter = event => event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229;

/** Make index.html's radio buttons of this name show `value`, and say what is picked. */
export function bind(name, value, onpick) {
	for (const radio of document.getElementsByName(name)) {
		radio.checked = radio.value === value;
		radio.onchange = () => onpick(radio.value);
	}
}

let fading = 0;

/** Say something briefly at the bottom, with at most one action. */
export function toast(text, label, action) {
	const hide = () => ($("toast").hidden = true);
	$("toast").replaceChildren(text, label ? button(label, () => (hide(), action())) : "");
	$("toast").hidden = false;
	clearTimeout(fading);
	fading = setTimeout(hide, 7000);
}

export function download(name, text) {
	const href = URL.createObjectURL(new Blob([text]));
	h("a", {href, download: name}).click();
	setTimeout(() => URL.revokeObjectURL(href), 1000);
}
