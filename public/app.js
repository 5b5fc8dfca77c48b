// The page's controller: which conversation is open, the question's input, scrolling and focus.
import {attach, filesAttached, filesRead, followAttached, takeAttached} from "./attached.js";
import {messageOf, watchStatus} from "./backend.js";
import {Conversations, forget, keep, kept, newConversation, titleOf} from "./conversations.js";
import {$, bindRadios, icon, isEnter, labelPage, onlyOnce, telling, toast} from "./elements.js";
import {localised, t} from "./i18n.js";
import {Panel} from "./panel.js";
import {initPreferences, preferences, setPreference} from "./preferences.js";
import {purchaseBehind} from "./purchase.js";
import {drawServers} from "./server-list.js";
import {makeSidebar} from "./sidebar.js";
import {drawHealth, drawModel, showServers, showStarters} from "./state.js";

/** @import {ConversationController} from "./conversation-controller.js" */
/** @import {ConversationView} from "./conversation-view.js" */

const NEAR_END_PX = 60;
const MAX_SPOKEN_CHARS = 400;

const input = $("input", HTMLTextAreaElement);
const submit = $("send", HTMLButtonElement);
const [scroll, empty, toEnd] = [$("scroll"), $("empty"), $("to-end")];
const lastOpen = preferences.current; // when the page was left

/** @type {Map<Conversation, ConversationController>} the open one, and those still answering */
const controllers = new Map();
let isAtEnd = true;
/** @type {Params | null} a product that the shop has, for the starters */
let offer = null;
let lastScrollTop = 0;
let current = newConversation();

const conversations = new Conversations({
	onproblem: problem => toast(t(problem)),
	isBusy: conversation => conversation && controllers.get(conversation)?.answering,
	onchange(conversation) {
		const {scrollTop} = scroll;
		if (conversation) controllers.get(conversation)?.show();
		scroll.scrollTop = scrollTop;
		draw();
		follow(isAtEnd);
	},
});

/** @param {string} text to a screen reader */
function announce(text) {
	$("live").textContent = text;
}

/** @type {import("./conversation-controller.js").Page} */
const page = {
	save: conversation => conversation.removed || conversations.save(conversation),
	takeOver: conversation => conversations.takeOver(conversation),
	notify: toast,
	begun(controller) {
		if (controller.conversation !== current) return;
		forget(""); // if it has just begun, what is written comes along
		keepText();
		keepFiles();
		announce(t("thinking"));
		input.focus({preventScroll: true});
		follow(true);
		draw();
	},
	ended(controller, reason) {
		const isHeard = controller.conversation === current && reason === "stop";
		if (isHeard) announce(t("answered") + controller.view.spoken().slice(0, MAX_SPOKEN_CHARS));
		draw();
	},
	queued: controller => controller.conversation === current && drawChips(),
	// The keyboard goes to the confirmation, unless something is being typed.
	asked(controller, card) {
		if (controller.conversation !== current) return;
		announce(
			t(card.state === "asking" ? "askedQuestion" : "askedYou") +
				localised(card.call.title || card.call.tool),
		);
		// A card that is taller than the view is read from its beginning, before anything can confirm it.
		const isTall = card.root.offsetHeight > scroll.clientHeight;
		follow(isAtEnd && !isTall);
		if (isTall) return card.root.scrollIntoView();
		const isIdle = [document.body, input, submit].some(element => element === document.activeElement);
		if (isIdle && !input.value) card.focus();
	},
};

/** No question, no answer: what they need is loaded once the shop is shown, or with the first of them. */
const loadConversation = () =>
	Promise.all([import("./conversation-controller.js"), import("./conversation-view.js")]);

/** @param {Conversation} conversation @returns {Promise<ConversationController>} */
async function controllerOf(conversation) {
	const [{ConversationController}, {ConversationView}] = await loadConversation();
	const made = () =>
		new ConversationController(conversation, page, controller => new ConversationView(controller));
	const controller = controllers.get(conversation) ?? made();
	const {root} = controller.view;
	controllers.set(conversation, controller);
	if (conversation !== current || root.isConnected) return controller;
	scroll.replaceChildren(empty, root);
	growth.disconnect();
	growth.observe(root);
	return controller;
}

/** Do something in the open conversation, if it still is that. @param {(controller: ConversationController) => unknown} work */
const inCurrent = work =>
	controllerOf(current)
		.then(controller => controller.conversation === current && work(controller))
		.catch(error => toast(messageOf(error)));

/** @param {Conversation} conversation @param {boolean} [isStep] which Back undoes */
function open(conversation, isStep = true) {
	const hadBegun = controllers.has(current);
	for (const [other, {answering}] of controllers) if (!answering) controllers.delete(other);
	current = conversation;
	scroll.replaceChildren(empty);
	$("side").hidePopover();
	showAddress(isStep);
	const draft = draftOf(conversation);
	input.value = kept("draft", draft) ?? "";
	attach(kept("files", draft) ?? [], []);
	draw();
	if (!conversation.entries.length && !hadBegun) return undefined;
	return inCurrent(controller => {
		follow(true);
		controller.resume();
	});
}

/** One for all conversations that have not begun. @param {Conversation} conversation */
const draftOf = ({entries, id}) => (entries.length ? id : "");

/** What is written belongs to the open conversation. */
function keepText() {
	keep("draft", draftOf(current), input.value);
	drawSubmit();
}

function keepFiles() {
	const files = filesAttached();
	if (!keep("files", draftOf(current), files.length && files)) toast(t("filesNotKept"));
	drawSubmit();
}

/** Each conversation has an address, whatever path stands in front of the page's own. @param {boolean} [isStep] */
function showAddress(isStep = false) {
	const {entries, id} = current;
	const hash = entries.length ? `#/${id}` : "";
	if (hash === location.hash || $("chat").ariaBusy) return; // before that, the address leads
	history[isStep ? "pushState" : "replaceState"](null, "", hash || location.pathname + location.search);
}

/** Open what the address names. */
function openAddressed() {
	const [, id] = /^#\/(.+)/.exec(location.hash) ?? [];
	if (location.hash && !id) return undefined; // a place in the page
	const found = conversations.byId.get(id ?? "");
	const opened = found !== current && open(found ?? newConversation(), false);
	return id && !found ? inCurrent(({view}) => view.note(t("notHere"))) : opened;
}

/** What leads to the conversation in which an order was bought. @type {import("./panel.js").Lead} */
function leadTo(server, order) {
	const found = purchaseBehind(conversations.newest(), server, order);
	if (!found) return undefined;
	return () => {
		$("panel").hidePopover();
		open(found.conversation);
		reveal(view => view.reveal(found.callId));
	};
}

/** What the panel sells is asked for here. @param {string} text */
function sell(text) {
	$("panel").hidePopover();
	inCurrent(controller => controller.say(text));
}

function draw() {
	const hasBegun = current.entries.length > 0;
	empty.hidden = hasBegun;
	$("title").textContent = document.title = hasBegun ? titleOf(current) : t("app");
	setPreference("current", hasBegun ? current.id : "");
	showAddress();
	drawModel(current);
	drawSubmit();
	drawChips();
	drawSidebar();
}

/** @param {(view: ConversationView) => void} lead to a place in the open conversation, where the view stays */
function reveal(lead) {
	inCurrent(({view}) => {
		stayAtEnd(false);
		lead(view);
	});
}

/** @param {boolean} yes whether the view stays at the end while the answer grows */
function stayAtEnd(yes) {
	isAtEnd = yes;
	toEnd.hidden = yes || !empty.hidden;
	scroll.style.overflowAnchor = yes ? "none" : ""; // the browser's own corrections look like scrolling up
}

/** @param {boolean} yes */
function follow(yes) {
	stayAtEnd(yes);
	if (yes && empty.hidden) scroll.scrollTop = scroll.scrollHeight;
	lastScrollTop = scroll.scrollTop; // content that has shrunk is no scrolling up
}

const growth = new ResizeObserver(() => follow(isAtEnd));

function onScroll() {
	const {scrollHeight, scrollTop, clientHeight} = scroll;
	// Only scrolling up leaves the end: the answer may have grown in the meantime.
	const isNearEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
	stayAtEnd(isNearEnd || (isAtEnd && scrollTop >= lastScrollTop));
	lastScrollTop = scrollTop;
}

/** @param {Event} event the button's, which also stops, or an Enter */
async function send(event) {
	event.preventDefault();
	if (event.type === "submit" && submit.classList.contains("stop")) return controllers.get(current)?.stop();
	const meant = current;
	await filesRead(); // by then another may be open, with its own draft
	if (current !== meant) return;
	inCurrent(controller => {
		const [text, files] = compose();
		if (text || files.length) controller.say(text, files);
	});
}

/** The questions that wait. */
async function drawChips() {
	const list = $("queued");
	if (!current.queued?.length && !list.firstChild) return;
	const [{drawQueue}, controller] = await Promise.all([import("./queue.js"), controllerOf(current)]);
	drawQueue(list, controller, ({text, files}) =>
		write([text, input.value].filter(Boolean).join("\n"), files),
	);
}

/** What has been written and attached is taken out of the composer. @returns {[string, Attachment[]]} */
function compose() {
	const files = takeAttached();
	const text = input.value.trim();
	input.value = "";
	keepText();
	return [text, files];
}

/** While an answer comes it is stopped by the button, unless something is written that can wait for its end. */
function drawSubmit() {
	const isEmpty = !input.value.trim() && !filesAttached().length;
	const action = controllers.get(current)?.answering && isEmpty ? "stop" : "send";
	submit.replaceChildren(icon(action));
	submit.ariaLabel = submit.title = t(action);
	submit.classList.toggle("stop", action === "stop");
	submit.disabled = action === "send" && isEmpty;
}

function drawStatus() {
	drawHealth();
	drawModel(current);
	drawStarters();
	drawServers($("tools"), drawStarters);
}

async function chooseModel() {
	const conversation = current;
	const onchange = () => {
		if (conversation.entries.length) page.save(conversation);
		drawModel(current);
	};
	await (await import("./models.js")).openModels(conversation, onchange);
}

/** @param {string} question */
const ask = question => inCurrent(controller => controller.ask(question));
const drawStarters = () => showStarters(offer, ask, beginWith);

/** One without arguments is asked as it is; another is filled in first, and can still be changed. @param {Prompt} prompt */
async function beginWith(prompt) {
	try {
		if (Object.keys(prompt.input_schema.properties ?? {}).length)
			return (await import("./tool-details.js")).fillPrompt(prompt, write);
		ask(await (await import("./wording.js")).promptText(prompt));
	} catch (error) {
		inCurrent(({view}) => view.note(messageOf(error)));
	}
}

/** @param {string} text @param {Attachment[]} [files] */
function write(text, files = []) {
	input.value = text;
	attach(files);
	keepText();
	input.focus();
}

/** Draw everything, in the current language. */
function drawPage() {
	labelPage();
	open(current);
	drawStatus();
}

const actions = {
	current: () => current,
	open,
	reveal,
	create() {
		open(newConversation());
		input.focus();
	},
	/** @param {Conversation} conversation */
	save(conversation) {
		conversation.removed = false;
		conversations.save(conversation);
		draw();
	},
	/** @param {Conversation} conversation */
	remove(conversation) {
		controllers.get(conversation)?.stop();
		conversations.remove(conversation);
		forget(conversation.id);
		if (conversation === current) open(newConversation(), false);
		else draw();
	},
};

/** @type {PromiseWithResolvers<void>} the shop, or why there is none */
const shown = Promise.withResolvers();
const drawSidebar = makeSidebar(conversations, actions, shown.promise);
const panel = new Panel(leadTo, sell, product => {
	offer = product;
	drawStarters();
});
const onStatus = () => {
	const isShown = panel.refresh(); // asks, and goes on drawing while the shop answers
	drawStatus();
	isShown.then(shown.resolve);
};
watchStatus(onStatus, server => panel.changed(server)); // before the page is drawn, while it is under way
panel.watch();
drawPage();
for (const drawer of [$("side"), $("panel")]) {
	const {role} = Object.assign(drawer, {tabIndex: -1}); // beside the conversation
	// What lies behind an open drawer is not reached by Tab; before it closes, so that the focus can go back.
	drawer.addEventListener("beforetoggle", ({newState}) => {
		const isOpen = newState === "open";
		$("chat").inert = isOpen;
		Object.assign(drawer, {role: isOpen ? "dialog" : role, ariaModal: isOpen || null});
	});
	drawer.addEventListener("toggle", () => drawer.matches(":popover-open") && drawer.focus());
}
$("composer").onsubmit = send;
input.addEventListener("keydown", event => isEnter(event) && send(event));
document.addEventListener("keydown", onlyOnce);
input.oninput = keepText;
followAttached(keepFiles);
$("resources").onclick = telling(async () => (await import("./resources.js")).openResources());
scroll.onscroll = onScroll;
toEnd.onclick = () => {
	follow(true);
	input.focus();
};
$("health").onclick = showServers;
$("model").onclick = $("connect").onclick = telling(chooseModel);
bindRadios("tab", preferences.tab ?? "shop", tab => setPreference("tab", tab));
initPreferences(() => {
	drawPage();
	panel.refresh(true);
});
const firstDraft = input.value;
(lastOpen ? loadConversation() : shown.promise.then(loadConversation)).catch(() => {});
await conversations.open();
const typed = input.value !== firstDraft && input.value; // meanwhile
const left = conversations.byId.get(lastOpen ?? "");
const opened =
	!current.entries.length && (location.hash.startsWith("#/") ? openAddressed() : left && open(left, false));
if (typed) write(typed);
await opened;
$("chat").ariaBusy = null; // what the browser keeps is there
draw();
window.onpopstate = () => {
	document.querySelector("dialog")?.close(); // it was about what was open
	openAddressed();
};
input.focus();
