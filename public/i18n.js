// Words in the reader's language, and numbers, money and times as it writes them.
import en from "./en.json" with {type: "json"};
import zh from "./zh.json" with {type: "json"};

const MAX_REASONS = 3; // a failure may name another as its reason
const PLACEHOLDER = /\{(\w+)\}/g;

let language = "zh-CN";

/** @param {string} lang "zh-CN" or "en" */
export function setLanguage(lang) {
	language = lang;
}

export const words = () => (language === "en" ? en : zh);

/** @type {(key: string) => string | undefined} */
const sentence = key => /** @type {Record<string, any>} */ (words())[key]; // JSON: keys come from data, too

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
	text.replace(PLACEHOLDER, (_, name) => [params[name] ?? ""].flat().map(textOf).join(", "));

/** @type {(key: string, params?: Params) => string} */
export const t = (key, params = {}) => fill(sentence(key) ?? key, params);

/**
 * A failure in the reader's language; the back end's own sentence where a code or parameter is unknown here.
 * @param {Failure} failure
 */
export const failureText = ({code, params, detail}, depth = 0) =>
	(typeof code === "string" && translate(code, params ?? {}, depth)) || textOf(detail ?? code ?? "");

/** @type {(code: string, params: Params, depth: number) => string | undefined} */
function translate(code, params, depth) {
	const text = sentence(`error.${code}.${textOf(params.status)}`) ?? sentence(`error.${code}`);
	const named = Object.entries(params).map(([name, value]) => [
		name,
		isFailure(value) && depth < MAX_REASONS ? failureText(value, depth + 1) : value,
	]);
	const filled = Object.fromEntries(named);
	const names = [...(text?.matchAll(PLACEHOLDER) ?? [])].map(([, name]) => name);
	return text && names.every(name => filled[name] !== undefined) ? fill(text, filled) : undefined;
}

/** A parameter may be a failure itself: why a server is down. @param {any} value @returns {value is Failure} */
const isFailure = value => typeof value?.code === "string";

/** @type {(value: number | Date, options: any) => string} any: TypeScript does not know useGrouping "min2" yet */
const format = (value, options) => value.toLocaleString(language, options);
const YUAN = {style: "currency", currency: "CNY", currencyDisplay: "narrowSymbol", useGrouping: "min2"};
const MINUTE = {month: "short", day: "numeric", hour: "2-digit", minute: "2-digit"};

/** @type {(value: number) => string} */
export const formatNumber = value => format(value, {useGrouping: "min2", maximumFractionDigits: 6});
/** @type {(value: number) => string} */
export const formatMoney = value => format(value, YUAN);
/** @type {(text: string) => string} what is no time stays as it is */
export const formatTime = text => (Date.parse(text) ? format(new Date(text), MINUTE) : text);
/** In the order of the reader's alphabet. @type {(a: string, b: string) => number} */
export const compareTexts = (a, b) => a.localeCompare(b, language);
