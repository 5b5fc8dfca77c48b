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
	const roots = run.map(({root}) => root);
	const known = roots.map(root => folds.get(root)).find(Boolean);
	const line = known ?? h("details.calls", h("summary"));
	folds.set(roots[0], line);
	const titles = [...new Set(run.map(({call}) => titleOf(call)))].join(" · ");
	const count = h("span.quiet", t("nCalls", {n: run.length}));
	line.firstElementChild?.replaceChildren(icon("done"), h("bdi.card-title", titles), count);
	return {line, roots};
}

/** Fold the calls of an answer that stand side by side. @param {Element} answer @param {Iterable<CallCard>} cards */
export function foldCalls(answer, cards) {
	const byRoot = new Map([...cards].map(card => [/** @type {Element} */ (card.root), card]));
	/** @type {CallCard[]} */
	let run = [];
	/** @type {Element[]} */
	const wanted = [];
	/** @type {(() => void)[]} */
	const fills = [];
	const end = () => {
		if (run.length > 1) {
			const {line, roots} = lineOf(run);
			wanted.push(line);
			fills.push(() => arrange(line, roots, 1));
		} else wanted.push(...run.map(({root}) => root));
		run = [];
	};
	for (const child of [...answer.children].flatMap(one =>
		one.matches(".calls") ? [...one.children].slice(1) : [one],
	)) {
		const card = byRoot.get(child);
		const quiet = card !== undefined && isQuiet(card);
		card?.root.toggleAttribute("data-quiet", quiet);
		if (quiet) run.push(card);
		else {
			end();
			wanted.push(child);
		}
	}
	end();
	arrange(answer, wanted);
	for (const fill of fills) fill();
	for (const line of answer.querySelectorAll(".calls")) if (!wanted.includes(line)) line.remove();
}
