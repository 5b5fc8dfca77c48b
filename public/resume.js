// An answer that is lost in the middle of a call is asked for again with the same ids: the back end joins the call, or
// has its result, and makes none twice. A conversation that is opened goes on where it was left in the middle of a call: at
// once, or when a tab that answers in it is closed. What that tab has stored is taken over first. While it answers, nobody is
// offered to ask for the same answer here, too: what both then did would be done twice.
import {sleep} from "./backend.js";
import {openCalls, standing} from "./call-states.js";
import {t} from "./i18n.js";

/** @import {ConversationController} from "./conversation-controller.js" */
/** @import {TurnEnd} from "./turn.js" */

const RESUME_MS = 3_600_000; // as long as a call may take
const TOLD_MS = 1000; // until an answer that has ended is stored
const [FIRST_PAUSE_MS, LAST_PAUSE_MS] = [500, 8000];

/** @param {Conversation} conversation */
const lockOf = ({id}) => `answer ${id}`;

/** Whether it ends with calls that the back end has begun, and nobody has stopped. @param {Conversation} conversation */
function isMidCall(conversation) {
	const open = openCalls(conversation).map(id => conversation.calls[id]?.at ?? 0);
	return open.length > 0 && open.every(at => Date.now() - at < RESUME_MS);
}

/** @param {Conversation} conversation @param {() => Promise<TurnEnd>} follow @param {AbortSignal} signal */
async function followOn(conversation, follow, signal) {
	let end = await follow();
	for (let pause = FIRST_PAUSE_MS; end.lost && isMidCall(conversation); pause *= 2) {
		await sleep(Math.min(pause, LAST_PAUSE_MS));
		end = signal.aborted ? {reason: "stopped"} : await follow();
	}
	return end;
}

/** @type {WeakMap<Conversation, Promise<TurnEnd>>} the answer for which this tab holds the lock: it waits for others only */
const held = new WeakMap();

/** Follow an answer, and again what is lost of it. @type {(conversation: Conversation, follow: () => Promise<TurnEnd>, signal: AbortSignal) => Promise<TurnEnd>} */
export function followThrough(conversation, follow, signal) {
	const following = followOn(conversation, follow, signal);
	held.set(conversation, following);
	const hold = async () => {
		await following;
		await sleep(TOLD_MS);
		if (held.get(conversation) === following) held.delete(conversation);
	};
	globalThis.navigator?.locks?.request(lockOf(conversation), {mode: "shared"}, hold);
	return following;
}

let waiting = new AbortController(); // in the conversation that was opened last

/** @param {ConversationController} controller */
export async function resume(controller) {
	const {conversation, page, view} = controller;
	waiting.abort();
	waiting = new AbortController();
	const {signal} = waiting;
	if (controller.answering || !["cut", "unknown"].includes(standing(conversation))) return;
	try {
		const {locks} = navigator;
		const isOwn = held.has(conversation);
		const isFree = isOwn || (await locks.request(lockOf(conversation), {ifAvailable: true}, Boolean));
		if (signal.aborted || controller.answering) return;
		if (!isFree) view.note(t("answeredElsewhere"));
		await locks.request(lockOf(conversation), {signal}, async () => {
			await page.takeOver(conversation);
			if (signal.aborted) return;
			if (isMidCall(conversation)) controller.answer();
			else if (!isFree) controller.show();
		});
	} catch {} // another was opened, or what is kept cannot be read
}
