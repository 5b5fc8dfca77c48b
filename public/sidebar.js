// The list of conversations: by day, what is pinned first, with what a search has found in them.
import {messageOf} from "./backend.js";
import {titleOf} from "./conversations.js";
import {$, attr, h, iconButton, isEnter, toast} from "./elements.js";
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
	field.onkeydown = event => {
		if (!isEnter(event) && event.key !== "Escape") return;
		event.preventDefault();
		event.stopPropagation(); // Escape closes no more than this
		if (event.key === "Escape") field.value = title;
		field.blur();
	};
	box.replaceWith(field);
	field.select();
}

/** @type {WeakMap<Conversation, {shown: string, item: HTMLElement}>} as they were drawn last; of 500, few change */
const rows = new WeakMap();

/** @param {Hit} hit @param {Actions} actions */
function rowOf(hit, actions) {
	const {conversation, found} = hit;
	if (found) return row(hit, actions);
	const {lang} = document.documentElement;
	const isCurrent = conversation === actions.current();
	const shown = JSON.stringify([conversation.title, conversation.pinned, isCurrent, lang]);
	const known = rows.get(conversation);
	if (known?.shown === shown) return known.item;
	const item = row(hit, actions);
	rows.set(conversation, {shown, item});
	return item;
}

/** @param {Hit} hit @param {Actions} actions */
function row({conversation, lead, found}, actions) {
	const title = titleOf(conversation);
	const {pinned} = conversation;
	const isCurrent = conversation === actions.current() && "true";
	const onclick = () => {
		actions.open(conversation);
		if (lead) actions.reveal(lead);
	};
	const text = found && h("small", found[0], h("mark", found[1]), found[2]);
	const open = h("button.open", attr({onclick, "aria-current": isCurrent, title}), title, text);
	const edit = () => rename(open, title, text => actions.save(Object.assign(conversation, {title: text})));
	const pin = () => actions.save(Object.assign(conversation, {pinned: !pinned}));
	const remove = () => {
		actions.remove(conversation);
		toast(t("removed"), t("undo"), () => actions.save(conversation));
	};
	const more = iconButton("more", () => item.classList.toggle("on"), `${t("rowActions")} ${title}`);
	const item = h(
		"li",
		open,
		more,
		h(
			".acts",
			iconButton("pin", pin, `${t(pinned ? "unpin" : "pin")} ${title}`),
			iconButton("edit", edit, `${t("rename")} ${title}`),
			iconButton("trash", remove, `${t("remove")} ${title}`),
		),
	);
	return item;
}

/** Give the function that draws the list. @param {Conversations} conversations @param {Actions} actions @param {Promise<void>} shown after which comes what a person does rather later */
export function makeSidebar(conversations, actions, shown) {
	const search = $("search", HTMLInputElement);
	$("create").onclick = actions.create;
	search.oninput = () => draw().catch(error => toast(messageOf(error)));
	followSettings(conversations, actions, shown);

	async function draw() {
		const wanted = search.value.trim();
		const all = conversations.newest().filter(({entries}) => entries.length);
		if (!wanted) return show(all.map(conversation => ({conversation})));
		const {searchIn} = await import("./search.js");
		if (wanted === search.value.trim()) show(searchIn(all, wanted));
	}

	/** @param {Hit[]} hits */
	function show(hits) {
		const groups = Map.groupBy(hits, ({conversation}) => groupOf(conversation));
		const names = ["pinned", ...GROUPS.map(([name]) => name), "earlier"];
		const shown = names.flatMap(name => {
			const items = groups.get(name)?.map(hit => rowOf(hit, actions));
			return items ? [h("h3.quiet", t(name)), h("ul", items)] : [];
		});
		$("chats").replaceChildren(...(hits.length || !search.value ? shown : [h("p.quiet", t("noMatch"))]));
	}

	return draw;
}

/** What the window of settings does with conversations; what that takes is loaded when it is asked for. @param {Conversations} conversations @param {Actions} actions @param {Promise<void>} shown */
function followSettings(conversations, actions, shown) {
	const picker = $("import-file", HTMLInputElement);
	/** @param {string} id @param {() => Promise<unknown>} work */
	const on = (id, work) => {
		$(id).onclick = () => work().catch(error => toast(messageOf(error)));
	};
	const {current} = actions;
	for (const ending of /** @type {const} */ (["md", "json"])) {
		on(ending, async () => (await import("./files.js")).download(current(), ending));
	}
	on("html", async () => {
		const {asPage} = await import("./whole.js");
		const html = await asPage(titleOf(current()));
		(await import("./files.js")).download(current(), "html", html);
	});
	on("print", async () => {
		$("settings").hidePopover();
		await whole;
		print();
	});
	on("all", async () => (await import("./files.js")).downloadAll(conversations.newest()));
	on("import", async () => picker.click());
	picker.onchange = async () => {
		try {
			const {importFiles} = await import("./imported.js");
			const {added, said} = await importFiles([...(picker.files ?? [])], conversations);
			toast(said.join("\n"));
			if (added[0]) actions.open(added[0]);
		} catch (error) {
			toast(messageOf(error));
		}
		picker.value = ""; // so that the same file can be chosen again
	};
	const keys = shown.then(() => import("./shortcuts.js")).then(({followKeys}) => followKeys(actions));
	on("keys", async () => (await keys)());
	const whole = shown.then(() => import("./whole.js")).then(({followPrint}) => followPrint());
}
