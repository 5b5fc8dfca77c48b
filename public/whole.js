// A conversation in full, with what is folded in it: on paper, and as a page that needs nothing else. Loaded after the
// shop is shown, so that the browser's own command to print finds it.
import {attr, h} from "./elements.js";
import {t} from "./i18n.js";
import {dataUrl} from "./read-files.js";

const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:";
const METAS = `<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}"><meta name="viewport" content="width=device-width">`;
const FRAME = "body{max-width:50rem;margin:auto;padding:2rem 1rem}h1{margin-bottom:1.5rem;font-size:1.3rem}";

/** The conversation that is open; nothing while it has not begun. */
const openLog = () => /** @type {HTMLElement} */ (document.querySelector(".log") ?? h("ol.log"));

/** Unfold all, which fills what is filled once it is seen. Gives what folds it again. @param {HTMLElement} root */
function unfold(root) {
	/** @type {HTMLDetailsElement[]} */
	const opened = [];
	for (;;) {
		const folded = root.querySelector("details:not([open])");
		if (!(folded instanceof HTMLDetailsElement)) break;
		folded.open = true;
		folded.dispatchEvent(new Event("toggle")); // the browser's own comes too late
		opened.push(folded);
	}
	for (const button of root.querySelectorAll("button"))
		if (button.textContent === t("showAll")) button.click();
	return () => {
		for (const details of opened) details.open = false;
	};
}

/** Unfold it on paper, whichever way printing begins. */
export function followPrint() {
	const href = new URL("./print.css", import.meta.url).href;
	document.head.append(
		Object.assign(document.createElement("link"), {rel: "stylesheet", media: "print", href}),
	);
	let refold = () => {};
	addEventListener("beforeprint", () => {
		refold = unfold(openLog());
	});
	addEventListener("afterprint", () => refold());
}

/** The page's own pictures are put into it. @param {HTMLImageElement} image */
async function embed(image) {
	if (image.src.startsWith("data:")) return;
	image.src = await dataUrl(await (await fetch(image.src)).blob());
}

/** One of another host, which the policy lets be shown but not read, is a link. @param {HTMLImageElement} image */
function leaveOut(image) {
	const {src: href, alt} = image;
	image.replaceWith(image.closest(".prose") ? h("a", attr({href}), alt || href) : "");
}

/** Without script, which its policy forbids besides. @param {string} title */
export async function asPage(title) {
	const root = openLog();
	unfold(root)();
	const log = /** @type {HTMLElement} */ (root.cloneNode(true));
	const gone =
		".acts, figure > button, .dots, .note button, .slot button, .slot label, .editing, .shelf > header, .shelf .check, .shelf button, form, textarea, .row > .btn";
	for (const element of log.querySelectorAll(gone)) element.remove();
	for (const link of log.querySelectorAll("a[href^='blob:']")) link.removeAttribute("href");
	for (const details of log.querySelectorAll("details.bubble, .fold > details"))
		details.setAttribute("open", "");
	await Promise.all([...log.querySelectorAll("img")].map(image => embed(image).catch(() => leaveOut(image))));
	const {lang, style} = document.documentElement;
	const rules = [...document.styleSheets].map(({media, cssRules}) => {
		const text = [...cssRules].map(({cssText}) => cssText).join("\n");
		return media.length ? `@media ${media.mediaText} {\n${text}\n}` : text; // that for paper, too
	});
	const head = h("head", h("title", title), h("style", [...rules, FRAME].join("\n")));
	const page = h("html", head, h("body", h("h1", title), log)); // in no document, whose policy it would break
	page.lang = lang;
	page.style.colorScheme = style.colorScheme;
	return `<!doctype html>\n${page.outerHTML.replace("<head>", () => `<head>${METAS}`)}`;
}
