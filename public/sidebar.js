// The list of conversations: by day, what is pinned first, with what a search has found in them.
import {titleOf} from "./conversations.js";
import {$, arrange, attr, focusIn, h, iconButton, onLineKeys, refill, telling, toast} from "./elements.js";
import {t} from "./i18n.js";

/** @import {Conversations} from "./conversations.js" */
/** @import {ConversationView} from "./conversation-view.js" */
/** @import {Hit} from "./search.js" */
/** @typedef {{[action in "open" | "save" | "remove"]: (conversation: Conversation) => void}} OnOne */
/** @typedef {{current: () => Conversation, create: () => void, reveal: (lead: (view: ConversationView) => void) => void}} OnPage */
/** @typedef {OnOne & OnPage} Actions */

const MAX_TITLE_CHARS = 120;
/** @type {[string, number][]} how many days ago each group begins */
const GROUPS = [
	["today", 0],
	["yesterday", 1],
	["lastWeek", 7],
	["lastMonth", 30],
];

/** The days of the reader's calendar. @param {Conversation} conversation */
export function groupOf({at, pinned}, now = Date.now()) {
	if (pinned) return "pinned";
	/** @param {number} days */
	const dayBefore = days => {
		const day = new Date(now);
		day.setHours(0, 0, 0, 0);
		return day.setDate(day.getDate() - days);
	};
	return GROUPS.find(([, days]) => at >= dayBefore(days))?.[0] ?? "earlier";
}

/** Edit a title in its place: leaving saves it, as Enter does. @type {(box: HTMLElement, title: string, save: (title: string) => void) => void} */
function rename(box, title, save) {
	const field = h("textarea", attr({"aria-label": t("rename"), maxlength: MAX_TITLE_CHARS}), title);
	field.onblur = () => {
		field.replaceWith(box);
		const edited = field.value.trim().replace(/\s+/g, " ");
		if (edited && edited !== title) save(edited);
	};
	const leave = () => {
		field.blur();
		box.focus();
	};
	onLineKeys(field, leave, () => {
		field.value = title;
		leave();
	});
	box.replaceWith(field);
	field.select();
}

/** @param {HTMLElement} button @param {string} name */
const label = (button, name) => Object.assign(button, {title: name, ariaLabel: name});

/** @typedef {(hit: Hit) => HTMLElement} DrawRow */
/** @type {WeakMap<Conversation, DrawRow>} a row stays the same element: it may have the focus, or its title be edited */
const rows = new WeakMap();

/** @param {Conversation} conversation @param {Actions} actions @returns {DrawRow} */
function makeRow(conversation, actions) {
	/** @type {Hit} */
	let hit = {conversation};
	let looks = "";
	const onclick = () => {
		actions.open(conversation);
		if (hit.lead) actions.reveal(hit.lead);
	};
	const save = (/** @type {Partial<Conversation>} */ change) =>
		actions.save(Object.assign(conversation, change));
	const open = h("button.open", attr({onclick}));
	const more = iconButton("more", () => item.classList.toggle("on"));
	const pin = iconButton("pin", () => save({pinned: !conversation.pinned}));
	const edit = iconButton("edit", () => rename(open, titleOf(conversation), title => save({title})));
	const trash = iconButton("trash", () => {
		const next = item.nextElementSibling ?? item.previousElementSibling;
		actions.remove(conversation);
		if (next instanceof HTMLElement) focusIn(next, ".open");
		toast(t("removed"), t("undo"), () => actions.save(conversation));
	});
	const item = h("li", open, more, h(".acts", pin, edit, trash));
	return now => {
		hit = now;
		const title = titleOf(conversation);
		const isCurrent = conversation === actions.current();
		const pinName = t(conversation.pinned ? "unpin" : "pin");
		const {lang} = document.documentElement;
		const shown = JSON.stringify([title, isCurrent, pinName, hit.found, lang]); // of 500, few change
		if (shown === looks) return item;
		looks = shown;
		const [before, found, after] = hit.found ?? [];
		const text = hit.found && h("small", before, h("mark", found), after);
		open.replaceChildren(title, text ?? "");
		Object.assign(open, {title, ariaCurrent: isCurrent ? "true" : null});
		label(more, `${t("rowActions")} ${title}`);
		label(pin, `${pinName} ${title}`);
		label(edit, `${t("rename")} ${title}`);
		label(trash, `${t("remove")} ${title}`);
		return item;
	};
}

/** Give the function that draws the list. @param {Conversations} conversations @param {Actions} actions @param {Promise<void>} shown after which comes what a person does rather later */
export function makeSidebar(conversations, actions, shown) {
	const search = $("search", HTMLInputElement);
	$("create").onclick = actions.create;
	search.oninput = telling(draw);
	followSettings(conversations, actions, shown);

	async function draw() {
		const wanted = search.value.trim();
		const all = conversations.newest().filter(({entries}) => entries.length);
		if (!wanted) return show(all.map(conversation => ({conversation})));
		const {searchIn} = await import("./search.js");
		if (wanted === search.value.trim()) show(searchIn(all, wanted));
	}

	/** @type {Map<string, [head: HTMLElement, list: HTMLElement]>} */
	const groups = new Map(
		["pinned", ...GROUPS.map(([name]) => name), "earlier"].map(name => [name, [h("h3.quiet"), h("ul")]]),
	);

	/** @param {Hit} hit */
	function rowOf(hit) {
		const {conversation} = hit;
		const known = rows.get(conversation) ?? makeRow(conversation, actions);
		rows.set(conversation, known);
		return known(hit);
	}

	/** In place. @param {Hit[]} hits */
	function show(hits) {
		const byGroup = Map.groupBy(hits, ({conversation}) => groupOf(conversation));
		const shown = [...groups].filter(([name]) => byGroup.has(name));
		const lists = shown.map(([name, [head, list]]) => {
			head.textContent = t(name);
			return {list, items: byGroup.get(name)?.map(rowOf) ?? []};
		});
		const parts = shown.flatMap(([, parts]) => parts);
		const none = search.value && !hits.length ? [h("p.quiet", t("noMatch"))] : [];
		arrange($("chats"), parts);
		for (const {list, items} of lists) arrange(list, items); // before anything goes: what moves keeps its focus
		for (const {list, items} of lists) refill(list, items);
		refill($("chats"), [...parts, ...none]);
	}

	return draw;
}

/** What the window of settings does with conversations; what that takes is loaded when it is asked for. @param {Conversations} conversations @param {Actions} actions @param {Promise<void>} shown */
function followSettings(conversations, actions, shown) {
	const picker = $("import-file", HTMLInputElement);
	/** @param {string} id @param {() => Promise<unknown>} work */
	const on = (id, work) => {
		$(id).onclick = telling(work);
	};
	const {current} = actions;
	for (const ending of /** @type {const} */ (["md", "json", "html"])) {
		on(ending, async () => (await import("./files.js")).download(current(), ending));
	}
	on("print", async () => {
		$("settings").hidePopover();
		await whole;
		print();
	});
	on("all", async () => (await import("./files.js")).downloadAll(conversations.newest()));
	on("import", async () => picker.click());
	picker.onchange = telling(async () => {
		const files = [...(picker.files ?? [])];
		picker.value = ""; // so that the same file can be chosen again
		const {importFiles} = await import("./imported.js");
		const {added, said} = await importFiles(files, conversations);
		toast(said.join("\n"));
		if (added[0]) actions.open(added[0]);
	});
	const keys = shown.then(() => import("./shortcuts.js")).then(({followKeys}) => followKeys(actions));
	on("keys", async () => (await keys)());
	const whole = shown.then(() => import("./whole.js")).then(({followPrint}) => followPrint());
}
