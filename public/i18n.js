// Words in the reader's language, and numbers, money and times as it writes them.

const MAX_REASONS = 3; // a failure may name another as its reason
const AMOUNTS = ["now", "expected"]; // among the parameters of failures
const PLACEHOLDER = /\{(\w+)(?:\|(.*?)\|(.*?))?\}/g; // {n}, or what is said of one {n|piece|pieces}

let language = "";
/** @type {typeof import("./zh.json")} */
let spoken;
/** @type {string | undefined} where the shop counts its days; the reader's own zone while that is not known */
let shopZone;

/** Speak another language, whose words are loaded first. @param {string} lang "zh-CN", "zh-TW" or "en" */
export async function setLanguage(lang) {
	const file = `./${lang.replace("-CN", "")}.json`;
	spoken = (await import(file, {with: {type: "json"}})).default;
	language = lang;
}

await setLanguage(globalThis.document?.documentElement.lang ?? "zh-CN");

export const words = () => spoken;

/** @type {(key: string) => string | undefined} */
const sentence = key => /** @type {Record<string, any>} */ (spoken)[key]; // JSON: keys come from data, too

/** Any value as text, also a stranger's object, which may hold a `toString` that is none. @param {unknown} value */
export function textOf(value) {
	if (typeof value !== "object") return `${value}`;
	try {
		return JSON.stringify(value);
	} catch {
		return "…"; // too deep
	}
}

/** @type {(text: string, params: Params) => string} */
const fill = (text, params) =>
	text.replace(PLACEHOLDER, (_, name, one, many) => {
		const said = [params[name] ?? ""].flat().map(textOf).join(", ");
		return many === undefined ? said : said === "1" ? one : many;
	});

/** @type {(key: string, params?: Params) => string} */
export const t = (key, params = {}) => fill(sentence(key) ?? key, params);

/** What the shop's server says of its tools, known word for word here, as the reader speaks; another's stays. @param {string} text */
export function localised(text) {
	/** @type {Record<string, string>} */
	const known = spoken.said;
	return Object.hasOwn(known, text) ? known[text] : text;
}

// In the reader's language; the back end's own sentence where a code or parameter is unknown here.
export const failureText = (/** @type {Failure} */ {code, params, detail, result, error}, depth = 0) =>
	(typeof code === "string" && translate(code, params ?? {}, depth)) ||
	textOf(detail ?? result ?? error ?? code ?? "");

/** @type {(code: string, params: Params, depth: number) => string | undefined} */
function translate(code, params, depth) {
	const text = sentence(`error.${code}.${textOf(params.status ?? params.of)}`) ?? sentence(`error.${code}`);
	const named = Object.entries(params).map(([name, value]) => [
		name,
		isFailure(value) && depth < MAX_REASONS ? failureText(value, depth + 1) : partText(name, value),
	]);
	const filled = Object.fromEntries(named);
	const names = [...(text?.matchAll(PLACEHOLDER) ?? [])].map(([, name]) => name);
	const isWhole = text && names.every(name => filled[name] !== undefined);
	return isWhole ? fill(text, filled) + (params.place ? t("inFile", filled) : "") : undefined;
}

/** An amount is written as everywhere; what is wrong with arguments, with their names. @param {string} name @param {any} value any: anybody's */
function partText(name, value) {
	if (name === "problems")
		return [value].flat().map(each => `${textOf(each?.field)}: ${localised(textOf(each?.message))}`);
	if (typeof value !== "number") return value;
	return name === "seconds" ? formatDuration(value) : AMOUNTS.includes(name) ? formatMoney(value) : value;
}

/** How long something took. @param {number} ms */
export function formatMs(ms) {
	return ms < 60_000 && (ms % 1000 || !ms) ? `${formatNumber(ms)} ms` : formatDuration(ms / 1000);
}

/** How long something takes, in the units that a person counts in. @param {number} seconds */
export function formatDuration(seconds) {
	let rest = seconds < 3600 ? Math.ceil(seconds) : Math.ceil(seconds / 60) * 60;
	const said = Object.entries({hour: 3600, minute: 60, second: 1}).map(([unit, size]) => {
		const n = Math.floor(rest / size);
		rest %= size;
		return n > 0 && format(n, {style: "unit", unit, unitDisplay: "short"});
	});
	return said.filter(Boolean).join(" ");
}

/** A parameter may be a failure itself: why a server is down. @param {any} value @returns {value is Failure} */
const isFailure = value => typeof value?.code === "string";

/** @type {(value: number | Date, options: any) => string} any: TypeScript does not know useGrouping "min2" yet */
const format = (value, options) => value.toLocaleString(language, options);
const YUAN = {style: "currency", currency: "CNY", currencyDisplay: "narrowSymbol", useGrouping: "min2"};
const DOLLARS = {...YUAN, currency: "USD", maximumSignificantDigits: 2, roundingPriority: "morePrecision"};
const DAY = {month: "short", day: "numeric"};
const MINUTE = {...DAY, hour: "2-digit", minute: "2-digit"};
const SECOND = /** @type {const} */ ({dateStyle: "short", timeStyle: "medium"});

/** @type {(value: number) => string} */
export const formatNumber = value => format(value, {useGrouping: "min2", maximumFractionDigits: 6});
/** @type {(value: number) => string} */
export const formatMoney = value => format(value, YUAN);
/** @param {number} bytes */
export const sizeText = bytes =>
	bytes < 2 ** 20
		? `${formatNumber(Math.ceil(bytes / 2 ** 10))} KB`
		: `${format(bytes / 2 ** 20, {maximumFractionDigits: 1})} MB`;
/** @type {(value: number) => string} */
export const formatDollars = value => format(value, DOLLARS);
/** @type {(share: number) => string} */
export const formatPercent = share => format(share, {style: "percent", maximumFractionDigits: 0});
/** In the order of the reader's alphabet. @type {(a: string, b: string) => number} */
export const compareTexts = (a, b) => a.localeCompare(b, language);

/** On the reader's clock, and which day that is at the shop where it is another; else the text. @param {string} text */
export function formatTime(text) {
	if (!Date.parse(text)) return text;
	const moment = new Date(text);
	const [here, there] = [undefined, shopZone].map(timeZone => format(moment, {...DAY, timeZone}));
	const time = format(moment, MINUTE);
	return here === there ? time : `${time} (${t("shopDay", {day: there})})`;
}

/** On the shop's clock, as spreadsheets take it; what is no time stays as it is. @param {string} text */
export const shopTime = text =>
	Date.parse(text) ? new Date(text).toLocaleString("sv-SE", {...SECOND, timeZone: shopZone}) : text;

/** What no browser knows is no zone; to ask it takes a while, so not for the reader's own. @param {string} zone empty: not known */
export function setShopZone(zone) {
	try {
		if (zone && zone !== readersZone()) format(new Date(), {timeZone: zone});
		shopZone = zone || undefined;
	} catch {
		shopZone = undefined;
	}
}

const readersZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The zone that the shop's days belong to, and whether it is another than the reader's. */
export function shopDays() {
	const own = readersZone();
	return {zone: shopZone ?? own, isElsewhere: (shopZone ?? own) !== own};
}
