// The settings' window: language, appearance, tools that may run without asking, export.
import {$, bind, button, h, root} from "./dom.js";
import {lang, t} from "./i18n.js";
import {enlist, listed, set, settings} from "./store.js";

function drawAllowed() {
	const takeBack = name => () => (enlist("always", name, false), drawAllowed());
	$("allowed").replaceChildren(...listed("always").map(name => h("li", h("code", name.split("@")[0]), button(t("takeBack"), takeBack(name)))));
	$("none-allowed").hidden = listed("always").length > 0;
}

export function initSettings(item, speak) {
	const save = ending => () => import("./export.js").then(file => file.save(item(), ending));
	$("settings").onbeforetoggle = drawAllowed;
	bind("lang", lang(), speak);
	bind("theme", settings.theme ?? "", theme => (set("theme", theme), (root.dataset.theme = theme)));
	$("export-md").onclick = save("md");
	$("export-json").onclick = save("json");
}
