// What is said in the fields of a form; loaded with the panel.

/** What a form's fields say that are neither empty nor wrong; numbers as numbers. @param {HTMLFormElement} form @returns {Params} */
export function fieldsOf(form) {
	/** @type {Params} */
	const said = {};
	for (const field of /** @type {HTMLInputElement[]} */ ([...form.elements])) {
		const {name, type, value} = field; // a fieldset has no value
		if (!name || !value.trim() || !field.validity.valid || (type === "checkbox" && !field.checked)) continue;
		said[name] = type === "number" ? field.valueAsNumber : value.trim();
	}
	return said;
}

/** Follow a form of filters, whose folded part says how much of it is in use. @type {(form: HTMLFormElement, onchange: () => void) => void} */
export function followFilters(form, onchange) {
	const follow = () => {
		const used = Object.keys(fieldsOf(form)).filter(name => form.querySelector(`details [name=${name}]`));
		const summary = form.querySelector("summary");
		if (summary) summary.dataset.used = `${used.length || ""}`;
		onchange();
	};
	form.oninput = form.onreset = () => setTimeout(follow); // after the reset
	form.onsubmit = event => event.preventDefault();
}
