// What answers took, by the provider's own count: of one, of all the conversation, and of the model's window.
import {status} from "./backend.js";
import {isQuestion} from "./call-states.js";
import {formatDollars, formatNumber, formatPercent, t} from "./i18n.js";

/** A sum of which a part is not known is not known. @param {Usage | undefined} sum @param {Usage} more @returns {Usage} */
function plus(sum, more) {
	if (!sum) return {input: more.input, output: more.output, cost: more.cost ?? null};
	const cost = sum.cost == null || more.cost == null ? null : sum.cost + more.cost;
	return {input: sum.input + more.input, output: sum.output + more.output, cost};
}

/** Add one answer of the model to its question's, and to all. @param {Conversation} conversation @param {Usage} usage */
export function addUsage(conversation, usage) {
	const question = conversation.entries.findLast(isQuestion);
	if (question) question.usage = plus(question.usage, usage);
	conversation.usage = plus(conversation.usage, usage);
	conversation.full = usage.window ? (usage.input + usage.output) / usage.window : 0;
	if (usage.window) status.model.window = usage.window;
}

/** @param {Usage} usage */
const dollars = ({cost}) => cost && formatDollars(cost);

/** @param {Usage | undefined} usage */
export function usageText(usage) {
	if (!usage) return "";
	const [input, output] = [usage.input, usage.output].map(formatNumber);
	return [t("usage", {input, output}), dollars(usage)].filter(Boolean).join(" · ");
}

/** @param {Conversation} conversation */
export function totalText({usage, full}) {
	if (!usage) return "";
	const n = formatNumber(usage.input + usage.output);
	const share = full && t("windowFull", {share: formatPercent(full)});
	return [t("usageTotal", {n}), dollars(usage), share].filter(Boolean).join(" · ");
}
