// The window of preferences: language, theme, tools that run without asking, export.
import {messageOf} from "./backend.js";
import {$, bindRadios, button, h, toast} from "./elements.js";
import {visible} from "./exact-text.js";
import {download} from "./files.js";
import {setLanguage, t} from "./i18n.js";
import {listedTools, listTool, preferences, setPreference} from "./preferences.js";

function drawAllowed() {
	/** @param {ListedTool} tool */
	const row = tool => {
		const takeBack = () => {
			listTool("always", tool, false);
			drawAllowed();
		};
		return h("li", h("code", visible(`${tool.server} · ${tool.tool}`)), button(t("takeBack"), takeBack));
	};
	const tools = listedTools("always");
	$("allowed").replaceChildren(...tools.map(row));
	$("none-allowed").hidden = tools.length > 0;
}

/** @param {() => Conversation} current @param {() => void} redraw in another language */
export function initPreferences(current, redraw) {
	const {lang, style} = document.documentElement;
	$("settings").onbeforetoggle = drawAllowed;
	bindRadios("lang", lang, async picked => {
		await setLanguage(picked).catch(error => toast(messageOf(error)));
		setPreference("lang", picked);
		document.documentElement.lang = picked;
		redraw();
	});
	bindRadios("theme", preferences.theme ?? "", theme => {
		setPreference("theme", theme);
		style.colorScheme = theme;
	});
	$("md").onclick = () => download(current(), "md");
	$("json").onclick = () => download(current(), "json");
}
