// The window of preferences: language, theme, tools that run without asking, export.
import {$, bindRadios, button, h} from "./elements.js";
import {download} from "./export.js";
import {setLanguage, t} from "./i18n.js";
import {listedTools, listTool, preferences, setPreference} from "./preferences.js";

/** @import {Conversation} from "./conversations.js" */

function drawAllowed() {
	/** @param {string} name */
	const row = name => {
		const takeBack = () => {
			listTool("always", name, false);
			drawAllowed();
		};
		return h("li", h("code", name.split("@")[0]), button(t("takeBack"), takeBack));
	};
	const names = listedTools("always");
	$("allowed").replaceChildren(...names.map(row));
	$("none-allowed").hidden = names.length > 0;
}

/** @param {() => Conversation} current @param {() => void} redraw in another language */
export function initPreferences(current, redraw) {
	const {lang, style} = document.documentElement;
	$("settings").onbeforetoggle = drawAllowed;
	bindRadios("lang", lang, picked => {
		setPreference("lang", picked);
		document.documentElement.lang = picked;
		setLanguage(picked);
		redraw();
	});
	bindRadios("theme", preferences.theme ?? "", theme => {
		setPreference("theme", theme);
		style.colorScheme = theme;
	});
	$("md").onclick = () => download(current(), "md");
	$("json").onclick = () => download(current(), "json");
}
