// What is seen of a call while it runs: how far it has come, for how long it has run, and how to stop it.
import {stopCall} from "./backend.js";
import {attr, button, h} from "./elements.js";
import {beginningOf} from "./exact-text.js";
import {formatMs, formatNumber, localised, t} from "./i18n.js";

const SECOND_MS = 1000; // most calls are over by then
const MAX_SAID = 300; // characters of what a server says of its progress

/** Numbers, unless the message says them. @param {Progress} progress */
export function progressBar({progress, total, message}) {
	const props = {"aria-label": t("running"), max: total ?? 1, value: total ? progress : null};
	const numbers = [progress, total].filter(each => typeof each === "number").map(formatNumber);
	const said = message?.includes(`${progress}`) ? "" : numbers.join(" / ");
	return h(
		"span.progress",
		h("progress", attr(props)),
		said && h("span.num", said),
		h("bdi", beginningOf(localised(message ?? ""), MAX_SAID)),
	);
}

/**
 * Fill the slot of a running call once it takes long, and follow the clock for as long as it is its slot.
 * @param {HTMLElement} slot @param {string} id @param {() => Call} call
 */
export function showRunning(slot, id, call) {
	const time = h("span.quiet.num", attr({role: "timer"}));
	const stop = button(t("stopCall"), async () => {
		stop.disabled = true;
		await stopCall(id).finally(() => {
			stop.disabled = false; // it may not have arrived
		});
	});
	const row = h(".row", time, stop);
	const shownAt = performance.now(); // the clock that call's `at` is of may be set back
	const tick = () => {
		const ms = Math.max(Date.now() - (call().at ?? Date.now()), performance.now() - shownAt);
		if (ms < SECOND_MS) return;
		time.textContent = formatMs(Math.floor(ms / SECOND_MS) * SECOND_MS);
		if (!row.parentNode) slot.append(row);
	};
	const clock = setInterval(() => {
		if (slot.isConnected && slot.matches(".running")) tick();
		else clearInterval(clock);
	}, SECOND_MS);
	tick();
}
