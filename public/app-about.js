// What is known of an MCP App before it runs, and what it is told: its document, what it may reach, the page's colours and
// language, and the result of the call that it shows.
import {readContents, status} from "./backend.js";
import {failureText, t} from "./i18n.js";
import {preferences} from "./preferences.js";
import {bytesOf} from "./result-view.js";
import {isObject, parseJson} from "./tool-result.js";

/** @typedef {{html: string, csp: Record<string, string[]>, hasBorder: boolean}} App */

const KIND = /^text\/html\s*;(.*;)?\s*profile="?mcp-app"?\s*(;|$)/i; // frameworks add their charset
const MAX_HTML = 8 * 2 ** 20; // characters
const MAX_SOURCES = 20; // of one list
const MAX_SOURCE = 300; // characters: a name has 253 at most
/** @type {Record<string, string>} of `_meta.ui.csp`, as app_frames.py takes them */
const LISTS = {
	connectDomains: "connect",
	resourceDomains: "resource",
	frameDomains: "frame",
	baseUriDomains: "base",
};
const SOURCE = /^(https|wss):\/\/(\*\.)?([a-z0-9-]+\.)+[a-z][a-z0-9-]*(:\d{1,5})?$/i; // as there
/** @type {Record<string, string>} */
const OTHER_NAME = {localhost: "127.0.0.1", "127.0.0.1": "localhost"};
/** @type {Record<string, string>} what the page's own are called in an app */
const VARIABLES = {
	"color-background-primary": "raised",
	"color-background-secondary": "side",
	"color-background-info": "soft",
	"color-background-danger": "bad-soft",
	"color-background-warning": "warn-soft",
	"color-text-primary": "text",
	"color-text-secondary": "quiet",
	"color-text-info": "accent",
	"color-text-danger": "bad",
	"color-text-warning": "warn",
	"color-border-primary": "line",
	"color-ring-primary": "accent",
	"border-radius-sm": "r1",
	"border-radius-md": "r1",
	"border-radius-lg": "r2",
};
const root = document.documentElement;
const darkness = matchMedia("(prefers-color-scheme: dark)");

/** Where the frames of apps are served; empty where apps are off. */
export function appsOrigin() {
	const {hostname, port, protocol} = location;
	const other = protocol === "http:" && Object.hasOwn(OTHER_NAME, hostname) && OTHER_NAME[hostname];
	return status.apps || (other ? `http://${other}${port && `:${port}`}` : "");
}

/** The frame's address, with what its app may reach. @param {App} app */
export function frameAddress({csp}) {
	const named = Object.entries(csp).flatMap(([name, list]) => list.map(source => [LISTS[name], source]));
	return `${appsOrigin()}/app-frame?${new URLSearchParams(named)}`;
}

/** What is no plain address of the open web is left out; many write it with a slash at its end. @param {any} list any: a server's @returns {string[]} */
const usable = list =>
	[list]
		.flat()
		.filter(source => typeof source === "string" && source.length <= MAX_SOURCE)
		.map(source => source.replace(/\/$/, ""))
		.filter(source => SOURCE.test(source))
		.slice(0, MAX_SOURCES);

/** @param {string} server @param {string} uri @returns {Promise<App>} */
export async function readApp(server, uri) {
	const contents = await readContents(server, uri);
	const {text, blob, ui} = Object(contents.find(({mimeType}) => KIND.test(mimeType)));
	const html = text ?? new TextDecoder().decode(bytesOf(blob ?? ""));
	if (!html || html.length > MAX_HTML) throw new Error(t("appWrong"));
	const {csp: asked, prefersBorder} = Object(ui);
	const csp = Object.fromEntries(Object.keys(LISTS).map(name => [name, usable(Object(asked)[name])]));
	return {html, csp, hasBorder: prefersBorder !== false};
}

const theme = () => preferences.theme || (darkness.matches ? "dark" : "light");

/** What may change while an app runs. */
const displayed = () => ({theme: theme(), locale: root.lang});

/** @param {(now: object) => void} tell */
export function onDisplay(tell) {
	const onchange = () => tell(displayed());
	new MutationObserver(onchange).observe(root, {attributeFilter: ["lang", "style"]});
	darkness.addEventListener("change", onchange);
}

/** What an app is told of its surroundings. */
export function surroundings() {
	const style = getComputedStyle(root);
	const variables = Object.entries(VARIABLES).map(([name, own]) => [
		`--${name}`,
		style.getPropertyValue(`--${own}`),
	]);
	return {
		...displayed(),
		styles: {variables: {...Object.fromEntries(variables), "--font-sans": "system-ui, sans-serif"}},
		timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
		availableDisplayModes: ["inline", "fullscreen"],
		platform: "web",
		userAgent: "product-mcp",
	};
}

/** A call's result as its server sent it, as far as it is known; what we say of a failure is in the reader's language. @param {Partial<Call>} call */
export function resultOf({app, result = "", isError = false, code, params}) {
	const {structuredContent: data, content, _meta: meta} = Object(app);
	const said = data === true ? parseJson(result) : data;
	const structuredContent = data === true && Array.isArray(said) ? {result: said} : said;
	const why = isError && code ? {"product-mcp/error": {code, params}} : undefined;
	const text = why && !meta ? failureText({code, params, result}) : result;
	return {
		content: content ?? [{type: "text", text}],
		...(isObject(structuredContent) && {structuredContent}),
		...((meta ?? why) && {_meta: meta ?? why}),
		isError,
	};
}
