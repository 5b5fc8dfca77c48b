// One conversation: what is asked, answered and decided.
import {toast} from "./dom.js";
import {t} from "./i18n.js";
import {enlist} from "./store.js";
import {asAllowed, mustKeep, openCalls, runTurn, standing, stateOf} from "./turn.js";
import {View} from "./view.js";

const TITLE_CHARS = 40;

export class Talk {
	stop = null; // AbortController of the answer that is coming

	constructor(item, page) {
		Object.assign(this, {item, page});
		this.view = new View(this);
		this.show();
	}

	show() {
		if (this.stop) return;
		this.view.render();
		this.explain();
	}

	save = () => this.page.save(this.item);

	ask(text) {
		this.#answer(() => {
			this.#settle();
			this.item.title ||= text.replace(/\s+/g, " ").slice(0, TITLE_CHARS);
			this.item.entries.push({message: {role: "user", content: text}});
			this.view.finish();
			this.view.question(this.item.entries.at(-1));
		});
	}

	/** A new question ends what was still open: the unconfirmed is refused, the interrupted stays unknown. */
	#settle() {
		const {item} = this;
		for (const id of openCalls(item)) {
			const state = stateOf(item, id);
			if (state === "waiting") item.approvals[id] = false;
			if (state !== "unknown") continue;
			Object.assign(item.calls[id], {result: t("unknownText"), unknown: true});
			item.entries.push({message: {role: "tool", tool_call_id: id, content: t("unknownText")}});
		}
	}

	answer = () => this.#answer();

	async #answer(change) {
		if (this.stop) return;
		this.stop = new AbortController();
		change?.();
		this.item.at = Date.now();
		this.save();
		this.view.begin();
		this.page.begun(this);
		const {reason, detail} = await runTurn(this.item, this.view, this.save, this.stop.signal);
		this.stop = null;
		this.save(); // now the other tabs hear of it
		this.view.finish();
		this.explain(reason, detail);
		this.page.ended(this, reason);
	}

	explain(reason, detail) {
		const state = standing(this.item);
		const stopped = reason === "stopped";
		if (reason === "error") this.view.note(detail, t("tryAgain"), this.answer, true);
		else if (reason === "rounds") this.view.note(t("rounds"), t("continue"), this.answer);
		else if (state === "cut") this.view.note(t(stopped ? "stopped" : "interrupted"), t("continue"), this.answer);
		else if (stopped && state === "whole") this.view.note(t("stopped"));
	}

	decide(id, yes, forEver) {
		const {item} = this;
		if (this.stop || id in item.approvals) return;
		item.approvals[id] = yes;
		if (yes && forEver) enlist("always", asAllowed(item.calls[id]), true);
		this.save();
		const waits = standing(item) === "waiting"; // then this one waits too
		for (const open of openCalls(item)) item.calls[open].chosen = waits && item.approvals[open];
		if (waits) this.view.card(id);
		else this.answer();
	}

	edit(entry, text) {
		this.#reask(() => {
			this.#settle();
			const {entries} = this.item;
			const index = entries.indexOf(entry);
			const kept = mustKeep(this.item, index) > index;
			if (kept) toast(t("keptPurchase"));
			entries.splice(kept ? entries.length : index, Infinity, {message: {role: "user", content: text}});
		});
	}

	regenerate() {
		const {entries} = this.item;
		this.#reask(() => entries.splice(mustKeep(this.item, entries.findLastIndex(({message}) => message.role === "user") + 1)));
	}

	#reask(change) {
		this.#answer(() => {
			change();
			this.view.render();
		});
	}
}
