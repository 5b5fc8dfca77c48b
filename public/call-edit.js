// The arguments of a call that waits, as JSON to be changed.
import {attr, button, h, isEscape} from "./elements.js";
import {t} from "./i18n.js";
import {isObject, parseJson} from "./tool-result.js";

/** @param {HTMLElement} box @param {string} raw @param {(args: Params) => void} change @param {() => void} back */
export function editArguments(box, raw, change, back) {
	const field = h("textarea.args", attr({"aria-label": t("args")}), raw);
	const wrong = h("p.bad", attr({role: "alert"}));
	const update = () => {
		const args = parseJson(field.value);
		if (isObject(args)) change(args);
		else wrong.textContent = t("needJson");
	};
	field.onkeydown = event => {
		if (!isEscape(event)) return;
		event.stopPropagation(); // it leaves the field, and refuses nothing
		back();
	};
	box.replaceChildren(
		field,
		wrong,
		h(".row", button(t("update"), update, ".primary"), button(t("keepAsIs"), back)),
	);
	field.focus();
}
