// Calls that have only read, and are done, fold into one line; what waits, fails, asks, runs or writes stays in sight.
import {titleOf} from "./call-card.js";
import {arrange, h, icon} from "./elements.js";
import {t} from "./i18n.js";
import {isPlayable} from "./result-view.js";

/** @import {CallCard} from "./call-card.js" */
/** @type {WeakMap<Element, HTMLElement>} the line by the first of its calls */
const folds = new WeakMap();

/** @param {CallCard} card */
const isQuiet = ({state, call}) =>
	state === "done" && call.readOnly === true && !call.replayed && !call.media?.some(isPlayable);

/** @param {CallCard[]} run */
function lineOf(run) {
	const known = run.map(({root}) => folds.get(root)).find(Boolean);
	const line = known ?? h("details.calls", h("summary"));
	folds.set(run[0].root, line);
	const titles = [...new Set(run.map(({call}) => titleOf(call)))].join(" · ");
	const count = h("span.quiet", t("nCalls", {n: run.length}));
	line.firstElementChild?.replaceChildren(icon("done"), h("bdi.card-title", titles), count);
	return line;
}

/** Fold the calls of an answer that stand side by side. @param {Element} answer @param {Iterable<CallCard>} cards */
export function foldCalls(answer, cards) {
	const byRoot = new Map([...cards].map(card => [/** @type {Element} */ (card.root), card]));
	/** @type {(Element | CallCard[])[]} what stands in it: quiet calls side by side are one */
	const parts = [];
	for (const child of [...answer.children].flatMap(one =>
		one.matches(".calls") ? [...one.children].slice(1) : [one],
	)) {
		const card = byRoot.get(child);
		const quiet = card !== undefined && isQuiet(card);
		card?.root.toggleAttribute("data-quiet", quiet);
		const last = parts.at(-1);
		if (!quiet) parts.push(child);
		else if (Array.isArray(last)) last.push(card);
		else parts.push([card]);
	}
	const boxOf = (/** @type {CallCard[]} */ run) => (run.length > 1 ? lineOf(run) : run[0].root);
	const wanted = parts.map(part => (Array.isArray(part) ? boxOf(part) : part));
	arrange(answer, wanted);
	for (const [i, part] of parts.entries())
		if (Array.isArray(part) && part.length > 1)
			arrange(
				wanted[i],
				part.map(({root}) => root),
				1,
			);
	for (const line of answer.querySelectorAll(".calls")) if (!wanted.includes(line)) line.remove();
}
