// The questions that wait for the end of an answer, as chips above the question's input; loaded when there is one.
import {attr, h, icon, iconButton, refillChanged} from "./elements.js";
import {t} from "./i18n.js";

/** @import {ConversationController} from "./conversation-controller.js" */

/** @type {ConversationController} whose questions are shown: a chip stays while it looks the same */
let shown;

/** @param {HTMLElement} list @param {ConversationController} controller @param {(item: Queued) => void} takeBack */
export function drawQueue(list, controller, takeBack) {
	shown = controller;
	/** @param {Queued} item */
	const chip = item => {
		/** This one by now, and the others. @returns {[Queued, Queued[]]} */
		const taken = () => {
			const others = [...(shown.conversation.queued ?? [])];
			const [own] = others.splice([...list.children].indexOf(element), 1);
			return [own, others];
		};
		const now = () => {
			const [own, others] = taken();
			shown.queue([{...own, soon: true}, ...others]);
			shown.askNext();
		};
		const back = () => {
			const [own, others] = taken();
			shown.queue(others);
			takeBack(own);
		};
		const about = [item.files.length && `+${item.files.length}`, t(item.soon ? "goesNext" : "waits")];
		const element = h(
			"li",
			h("bdi", attr({title: item.text}), item.text || item.files[0]?.name),
			h("small", about.filter(Boolean).join(" · ")),
			!item.soon &&
				h("button.icon", attr({title: t("sendNow"), "aria-label": t("sendNow"), onclick: now}), icon("send")),
			iconButton("edit", back, t("unqueue")),
		);
		return element;
	};
	refillChanged(list, (controller.conversation.queued ?? []).map(chip));
}
