// The page's controller: which conversation is open, the question's input, scrolling and focus.
import {attach, filesAttached, followAttached, takeAttached} from "./attached.js";
import {messageOf, status, watchStatus} from "./backend.js";
import {ConversationController} from "./conversation-controller.js";
import {ConversationView} from "./conversation-view.js";
import {Conversations, newConversation, titleOf} from "./conversations.js";
import {$, bindRadios, icon, isEnter, labelPage, toast} from "./elements.js";
import {drawHealth, showServers} from "./health.js";
import {localised, t} from "./i18n.js";
import {forget, keep, kept} from "./kept.js";
import {initPreferences, preferences, setPreference} from "./preferences.js";
import {purchaseBehind} from "./purchase.js";
import {showStarters} from "./starters.js";

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
let drawSidebar = () => {}; // until it is loaded

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
		if (controller !== current) return;
		forget(""); // if it has just begun, what is written comes along
		keepText();
		keepFiles();
		announce(t("thinking"));
		input.focus({preventScroll: true});
		follow(true);
		draw();
	},
	ended(controller, reason) {
		const isHeard = controller === current && reason === "stop";
		if (isHeard) announce(t("answered") + controller.view.spoken().slice(0, MAX_SPOKEN_CHARS));
		draw();
	},
	queued: controller => controller === current && drawChips(),
	// The keyboard goes to the confirmation, unless something is being typed.
	asked(controller, card) {
		if (controller !== current) return;
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

let current = controllerOf(newConversation());

/** @param {Conversation} conversation */
function controllerOf(conversation) {
	const known = controllers.get(conversation);
	if (known) return known;
	const made = new ConversationController(conversation, page, controller => new ConversationView(controller));
	controllers.set(conversation, made);
	return made;
}

/** @param {Conversation} conversation @param {boolean} [isStep] which Back undoes */
function open(conversation, isStep = true) {
	for (const [other, {answering}] of controllers) if (!answering) controllers.delete(other);
	current = controllerOf(conversation);
	scroll.replaceChildren(empty, current.view.root);
	growth.disconnect();
	growth.observe(current.view.root);
	$("side").hidePopover();
	showAddress(isStep);
	const draft = draftOf(conversation);
	input.value = kept("draft", draft) ?? "";
	attach(kept("files", draft) ?? [], []);
	draw();
	follow(true);
	current.resume();
}

/** One for all conversations that have not begun. @param {Conversation} conversation */
const draftOf = ({entries, id}) => (entries.length ? id : "");

/** What is written belongs to the open conversation. */
function keepText() {
	keep("draft", draftOf(current.conversation), input.value);
	drawSubmit();
}

function keepFiles() {
	const files = filesAttached();
	if (!keep("files", draftOf(current.conversation), files.length && files)) toast(t("filesNotKept"));
	drawSubmit();
}

/** Each conversation has an address, whatever path stands in front of the page's own. @param {boolean} [isStep] */
function showAddress(isStep = false) {
	const {entries, id} = current.conversation;
	const hash = entries.length ? `#/${id}` : "";
	if (hash === location.hash || $("chat").ariaBusy) return; // before that, the address leads
	history[isStep ? "pushState" : "replaceState"](null, "", hash || location.pathname + location.search);
}

/** Open what the address names. */
function openAddressed() {
	const [, id] = /^#\/(.+)/.exec(location.hash) ?? [];
	if (location.hash && !id) return; // a place in the page
	const found = conversations.byId.get(id ?? "");
	if (found !== current.conversation) open(found ?? newConversation(), false);
	if (id && !found) current.view.note(t("notHere"));
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
	current.say(text);
}

/** @param {Params} product */
function show(product) {
	offer = product;
	drawStarters();
}

function draw() {
	const {conversation} = current;
	const hasBegun = conversation.entries.length > 0;
	empty.hidden = hasBegun;
	$("title").textContent = document.title = hasBegun ? titleOf(conversation) : t("app");
	setPreference("current", hasBegun ? conversation.id : "");
	showAddress();
	drawModel();
	drawSubmit();
	drawChips();
	drawSidebar();
}

/** @param {(view: ConversationView) => void} lead to a place in the open conversation, where the view stays */
function reveal(lead) {
	stayAtEnd(false);
	lead(current.view);
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
	const controller = current;
	if (event.type === "submit" && submit.classList.contains("stop")) return controller.stop();
	const [text, files] = await compose();
	if (text || files.length) controller.say(text, files);
}

/** The questions that wait. */
async function drawChips() {
	const list = $("queued");
	if (!current.conversation.queued?.length && !list.firstChild) return;
	const {drawQueue} = await import("./queue.js");
	drawQueue(list, current, ({text, files}) => write([text, input.value].filter(Boolean).join("\n"), files));
}

/** What has been written and attached is taken out of the composer. @returns {Promise<[string, Attachment[]]>} */
async function compose() {
	const files = await takeAttached();
	const text = input.value.trim();
	input.value = "";
	keepText();
	return [text, files];
}

/** While an answer comes it is stopped by the button, unless something is written that can wait for its end. */
function drawSubmit() {
	const isEmpty = !input.value.trim() && !filesAttached().length;
	const action = current.answering && isEmpty ? "stop" : "send";
	submit.replaceChildren(icon(action));
	submit.ariaLabel = submit.title = t(action);
	submit.classList.toggle("stop", action === "stop");
	submit.disabled = action === "send" && isEmpty;
}

function drawStatus() {
	drawHealth();
	drawModel();
	drawStarters();
	import("./server-list.js")
		.then(({drawServers}) => drawServers($("tools"), drawStarters))
		.catch(error => toast(messageOf(error)));
}

function drawModel() {
	/** @type {Status["model"]} */
	const {demo = false, name = "…"} = current.conversation.model ?? status.model;
	$("model").textContent = demo ? t("demoChip") : name;
	$("model").classList.toggle("warn", demo);
}

async function chooseModel() {
	const {conversation} = current;
	const onchange = () => {
		if (conversation.entries.length) page.save(conversation);
		drawModel();
	};
	try {
		await (await import("./models.js")).openModels(conversation, onchange);
	} catch (error) {
		toast(messageOf(error));
	}
}

const drawStarters = () => showStarters(offer, question => current.ask(question), beginWith);

/** One without arguments is asked as it is; another is filled in first, and can still be changed. @param {Prompt} prompt */
async function beginWith(prompt) {
	try {
		if (Object.keys(prompt.input_schema.properties ?? {}).length)
			return (await import("./tool-details.js")).fillPrompt(prompt, write);
		current.ask(await (await import("./wording.js")).promptText(prompt));
	} catch (error) {
		current.view.note(messageOf(error));
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
	open(current.conversation);
	drawStatus();
}

const actions = {
	current: () => current.conversation,
	view: () => current.view,
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
		if (conversation === current.conversation) open(newConversation(), false);
		else draw();
	},
};

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
input.oninput = keepText;
followAttached(keepFiles);
$("resources").onclick = () =>
	import("./resources.js").then(({openResources}) => openResources()).catch(error => toast(messageOf(error)));
scroll.onscroll = onScroll;
toEnd.onclick = () => {
	follow(true);
	input.focus();
};
$("health").onclick = showServers;
$("model").onclick = $("connect").onclick = chooseModel;
bindRadios("tab", preferences.tab ?? "shop", tab => setPreference("tab", tab));
const panel = import("./panel.js").then(({Panel}) => new Panel(leadTo, sell, show)); // the conversation comes first
panel.catch(error => toast(messageOf(error)));
/** @param {(panel: import("./panel.js").Panel) => unknown} work */
const onPanel = work => panel.then(work, () => {});
const drawAnew = () => {
	drawPage();
	onPanel(made => made.refresh(true));
};
const onStatus = () => {
	onPanel(made => made.refresh());
	drawStatus();
};
initPreferences(drawAnew);
watchStatus(onStatus, server => onPanel(made => made.changed(server)));
onPanel(made => made.watch());
const firstDraft = input.value;
const sidebar = import("./sidebar.js").then(({makeSidebar}) => {
	drawSidebar = makeSidebar(conversations, actions);
});
await Promise.all([conversations.open(), sidebar.catch(error => toast(messageOf(error)))]);
const typed = input.value !== firstDraft && input.value; // meanwhile
const left = conversations.byId.get(lastOpen ?? "");
if (!current.conversation.entries.length) {
	if (location.hash.startsWith("#/")) openAddressed();
	else if (left) open(left, false);
}
if (typed) write(typed);
$("chat").ariaBusy = null; // what the browser keeps is there
draw();
window.onpopstate = openAddressed;
input.focus();
