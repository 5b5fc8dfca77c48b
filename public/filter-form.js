// A form that says which rows of a list are wanted.
import {fieldsOf} from "./elements.js";

export class FilterForm {
	/** @param {HTMLFormElement} form @param {() => void} onchange while something is typed, too */
	constructor(form, onchange) {
		this.form = form;
		form.oninput = form.onreset = () => setTimeout(() => this.#follow(onchange)); // after the reset
		form.onsubmit = event => event.preventDefault();
	}

	get fields() {
		return fieldsOf(this.form);
	}

	/** Wish for one field to have this value, and nothing else. @param {string} name @param {unknown} value */
	only(name, value) {
		this.form.reset();
		const field = /** @type {HTMLInputElement} */ (this.form.elements.namedItem(name));
		field.value = `${value}`;
		const folded = field.closest("details");
		if (folded) folded.open = true;
		field.focus();
	}

	/** Say how many of the folded fields are in use. @param {() => void} onchange */
	#follow(onchange) {
		const used = Object.keys(this.fields).filter(name => this.form.querySelector(`details [name=${name}]`));
		const summary = this.form.querySelector("summary");
		if (summary) summary.dataset.used = `${used.length || ""}`;
		onchange();
	}
}
