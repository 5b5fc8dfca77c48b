// The arguments of a call that waits, as JSON to be changed.
import {attr, button, h, onEscape} from "./elements.js";
import {t} from "./i18n.js";
import {isObject, parseJson} from "./tool-result.js";

/** What was begun goes on. @param {HTMLElement} box @param {string} raw @param {Typed} typing @param {(args: Params) => void} change @param {() => void} back */
export function editArguments(box, raw, {begun, typed}, change, back) {
	const field = h("textarea.args", attr({"aria-label": t("args")}), begun?.text ?? raw);
	const wrong = h("p.bad", attr({role: "alert"}));
	const update = () => {
		const args = parseJson(field.value);
		if (isObject(args)) change(args);
		else wrong.textContent = t("needJson");
	};
	const leave = () => {
		typed?.();
		back();
	};
	field.oninput = () => {
		wrong.textContent = "";
		typed?.({text: field.value});
	};
	onEscape(field, leave);
	box.replaceChildren(
		field,
		wrong,
		h(".row", button(t("update"), update, ".primary"), button(t("keepAsIs"), leave)),
	);
	if (!begun) field.focus();
}
