// The questions that wait for the end of an answer, as chips above the question's input; loaded when there is one.
import {attr, h, icon, iconButton} from "./elements.js";
import {t} from "./i18n.js";

/** @import {ConversationController} from "./conversation-controller.js" */

/** @param {HTMLElement} list @param {ConversationController} controller @param {(item: Queued) => void} takeBack */
export function drawQueue(list, controller, takeBack) {
	const queued = controller.conversation.queued ?? [];
	/** @param {Queued} item */
	const chip = item => {
		const others = queued.filter(other => other !== item);
		const now = () => {
			controller.queue([{...item, soon: true}, ...others]);
			controller.askNext();
		};
		const back = () => {
			controller.queue(others);
			takeBack(item);
		};
		const about = [item.files.length && `+${item.files.length}`, t(item.soon ? "goesNext" : "waits")];
		return h(
			"li",
			h("bdi", attr({title: item.text}), item.text || item.files[0]?.name),
			h("small", about.filter(Boolean).join(" · ")),
			!item.soon &&
				h("button.icon", attr({title: t("sendNow"), "aria-label": t("sendNow"), onclick: now}), icon("send")),
			iconButton("edit", back, t("unqueue")),
		);
	};
	list.replaceChildren(...queued.map(chip));
}
