// What a server asks in the middle of a call: its question with a form, or with an address to go to; loaded when needed.
import {attr, button, DEAF_MS, h} from "./elements.js";
import {readable, visible} from "./exact-text.js";
import {failureText, t, textOf} from "./i18n.js";
import {schemaForm} from "./schema-form.js";
import {isObject} from "./tool-result.js";
import {worded} from "./wording.js";

const SECRET =
	/pass ?(word|phrase|code|wd)|\bpwd\b|secret|\btokens?\b|api ?key|\bpin\b|\bcv[vc]2?\b|card ?(no|num)|credential|\bssn\b|\botp\b|密码|口令|密钥|令牌|验证码|卡号|私钥|身份证/i;

/** "apiKey" and "api_key" as words. @param {unknown} text */
const wordsOf = text =>
	textOf(text ?? "")
		.replace(/([a-z])([A-Z])/g, "$1 $2")
		.replace(/[_-]+/g, " ");

/** Whether a form, or what is said with it, asks for what should be told to nobody. @param {Question} question */
function asksForSecret({message, schema}) {
	const fields = Object.entries(isObject(schema.properties) ? schema.properties : {});
	if (!fields.length) return false;
	return fields.some(([name, spec]) => {
		const {title, description, format} = isObject(spec) ? spec : /** @type {Row} */ ({});
		const named = [name, title].map(wordsOf).join(" ");
		const isKey = /\bkeys?\b/i.test(named) && !/keywords?/i.test(named);
		return format === "password" || isKey || SECRET.test([named, wordsOf(description), message].join(" "));
	});
}

/** An address is shown in full, and opened by a click alone. @param {string} url */
function addressOf(url) {
	const {protocol, host} = URL.canParse(url) ? new URL(url) : {protocol: "", host: ""};
	const text = h("p.address", h("bdi", visible(url)));
	if (!/^https?:$/.test(protocol)) return [text, h("p.warned", t("noWebAddress"))];
	const go = attr({href: url, target: "_blank", rel: "noopener noreferrer"});
	return [text, h(".row", h("a.btn.primary", go, t("openAddress", {host})))];
}

/** @param {Question} question @param {(answer: Answer) => void} respond @param {Typed} typing */
export function questionForm(question, respond, {begun = question.content, typed}) {
	const {message, schema, url} = question;
	const isSecret = !url && asksForSecret(question);
	const hasFields = !url && isObject(schema.properties) && Object.keys(schema.properties).length > 0;
	const decline = button(t("decline"), () => respond({action: "decline"}), isSecret ? ".primary" : "");
	const cancel = button(t("cancel"), () => respond({action: "cancel"}));
	const accept = async (/** @type {any} */ content) => {
		respond({action: "accept", content: url ? null : content});
		return "";
	};
	const label = t(url ? "haveDone" : hasFields ? "answerIt" : "agree");
	const typing = isSecret ? {begun} : {begun, typed};
	const form = schemaForm("", url ? {} : schema, accept, label, typing, decline, cancel);
	form.classList.add("asks");
	let shownAt = performance.now();
	form.oninput = () => {
		shownAt = Number.NEGATIVE_INFINITY; // who types here means it
	};
	form.addEventListener("keydown", event => {
		if (event.key === "Enter" && performance.now() - shownAt < DEAF_MS) event.preventDefault();
	});
	if (!hasFields) form.querySelector("fieldset")?.remove();
	form.prepend(
		h("p.asked", visible(worded(question.wording, message))),
		...(url ? addressOf(url) : []),
		isSecret ? h("p.warned", t("asksSecret")) : "",
		question.code ? h("p.warned", attr({role: "alert"}), readable(failureText(question))) : "",
	);
	if (isSecret || url) form.querySelector("[type=submit]")?.classList.remove("primary"); // another comes first
	form.classList.toggle("secret", isSecret);
	if (isSecret) decline.parentElement?.prepend(decline);
	return form;
}
