// A conversation that is opened goes on where it was left in the middle of a call: at once, or when a tab that answers in
// it is closed. What that tab has stored is taken over first.
import {isMidCall, lockOf} from "./resume.js";

/** @import {ConversationController} from "./conversation-controller.js" */

let waiting = new AbortController(); // in the conversation that was opened last

/** @param {ConversationController} controller */
export async function resume({conversation, page, answer, answering}) {
	waiting.abort();
	waiting = new AbortController();
	const {signal} = waiting;
	if (answering || !isMidCall(conversation)) return;
	try {
		await navigator.locks?.request(lockOf(conversation), {signal}, async () => {
			await page.takeOver(conversation);
			if (!signal.aborted && isMidCall(conversation)) answer();
		});
	} catch {} // another was opened, or what is kept cannot be read
}
