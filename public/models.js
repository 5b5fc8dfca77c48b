// The dialog of models: who answers this conversation, and providers with their keys. Loaded when it is opened.
import {ask, messageOf, status} from "./backend.js";
import {heldIn} from "./conversations.js";
import {attr, button, h, icon, iconButton, openDialog, submitButton} from "./elements.js";
import {visible} from "./exact-text.js";
import {failureText, formatNumber, t, words} from "./i18n.js";

/** @typedef {{id: string, base: string, models: ListedModel[]}} Found a provider with its models */
/** @typedef {Found & {key: string}} Kept of its key the end */
/** @typedef {{id: string, name: {zh: string, en: string}, base: string, key: string}} Offered `key` is where one is got */
/** @typedef {{locked: boolean, damaged: boolean, held: Record<string, string>, catalogue: Offered[], kept: Kept[]}} Known */
/** @typedef {{ok: boolean, seconds: number} & Failure} Outcome */

const OTHER = "other"; // a provider that is in no list
const PATH = "api/models";
const SETTINGS = "settings";
const MAX_KEPT = 50; // models of one provider

/** Of a provider that is in no list: where it is. @param {string} base */
function idOf(base) {
	const [, host] = /^(?:\w+:\/\/)?([^/]*)/.exec(base.trim().toLowerCase()) ?? [];
	return host?.replace(/[^a-z0-9.:_-]/g, "-").replace(/^\W+/, "") || OTHER;
}

/** @param {ListedModel} model */
const windowOf = ({window}) => (window ? t("window", {n: formatNumber(Math.round(window / 1000))}) : "");

class ModelsDialog {
	chosen = h(".content");
	form = h(".content");

	/** @param {Known} known @param {ModelChoice | undefined} current @param {(choice?: ModelChoice) => void} pick */
	constructor(known, current, pick) {
		this.known = known;
		/** @type {ModelChoice | undefined} */
		this.current = current ?? status.models[0];
		this.pick = pick;
		this.draw();
	}

	/** @param {string} id */
	nameOf(id) {
		const {name} = this.offered(id) ?? {name: {zh: id, en: id}};
		return document.documentElement.lang === "en" ? name.en : name.zh;
	}

	draw() {
		const {known} = this;
		this.chosen.hidden = false;
		const own = status.models.filter(({provider}) => provider === SETTINGS);
		const places = Object.entries(known.held).map(([name, place]) => `${name} (${t(`place_${place}`)})`);
		const none = !own.length && !known.kept.length;
		const label = t("ofSettings");
		const all = h(
			".content",
			own.map(choice => h("fieldset", attr({"aria-label": label}), h("strong", label), this.radio(choice))),
			h("p.quiet", places.length > 0 && t("heldBy", {places: places.join(", ")})),
			known.kept.map(kept => this.group(kept)),
			h("p", none && t("demoTitle")),
			h("p.bad", known.damaged && t("modelsDamaged")),
			h("p.bad", known.locked && t("error.models_locked")),
		);
		this.chosen.replaceChildren(all);
		const add = button(t("addProvider"), () => this.edit());
		this.form.replaceChildren(known.locked ? "" : h(".row", add));
	}

	/** @param {ModelChoice} choice @param {Node[]} more */
	radio(choice, ...more) {
		const {provider, name} = choice;
		const checked = provider === this.current?.provider && name === this.current.name;
		const onchange = () => {
			this.current = choice;
			this.pick(choice);
		};
		const input = h("input", attr({type: "radio", checked, onchange}));
		input.name = "model";
		return h(".row", h("label.check", input, h("bdi", visible(name))), more);
	}

	/** @param {Kept} kept */
	group(kept) {
		const {id, base, key, models} = kept;
		const rows = models.map(model => {
			const others = models.filter(other => other !== model);
			const forget = button(t("removeKey"), () => this.change(id));
			const drop = iconButton(
				"trash",
				() => (others.length ? this.change(id, {base, models: others}) : drop.replaceWith(forget)),
				`${t("remove")} ${visible(model.name)}`,
			);
			return this.radio({provider: id, name: model.name}, h("span.quiet", windowOf(model)), drop);
		});
		const about = [base, key && t("keySet", {end: key})].filter(Boolean).join(" · ");
		const edit = iconButton("edit", () => this.edit(kept), `${t("change")} ${this.nameOf(id)}`);
		const title = h(".row", h("strong", this.nameOf(id)), edit);
		return h("fieldset", attr({"aria-label": this.nameOf(id)}), title, h("p.quiet", visible(about)), rows);
	}

	/** Of a choice that has gone none is left. @param {ModelChoice | undefined} choice */
	async refresh(choice) {
		this.known = await ask(PATH);
		const models = this.known.kept.find(({id}) => id === choice?.provider)?.models ?? [];
		const isThere = choice?.provider === SETTINGS || models.some(({name}) => name === choice?.name);
		this.current = isThere ? choice : undefined;
		this.pick(this.current);
		this.draw();
	}

	/** Without a provider it is removed with its key. @param {string} id @param {{base: string, models: ListedModel[]}} [provider] */
	async change(id, provider) {
		await ask(`${PATH}/${encodeURIComponent(id)}`, provider, provider ? "PUT" : "DELETE");
		await this.refresh(this.current);
	}

	/** What runs on this machine is offered unless it is kept. */
	async offerLocal() {
		/** @type {{servers: Found[]}} */
		const {servers} = await ask(`${PATH}/local`);
		const isNew = (/** @type {Found} */ {base}) => !this.known.kept.some(kept => kept.base === base);
		const rows = servers.filter(isNew).map(found => {
			const text = t("runsHere", {name: this.nameOf(found.id), n: found.models.length});
			const use = button(t("useIt"), () => this.edit(found), ".primary");
			return h(".row.note", h("span", text), use);
		});
		this.form.prepend(...rows);
	}

	/** @param {Partial<Kept>} [given] a provider that is kept, or was found on this machine @param {string[]} [typed] before */
	edit(given = {}, typed) {
		const form = new ProviderForm(this, given);
		if (typed) form.resume(typed);
		this.chosen.hidden = true;
		this.form.replaceChildren(form.root);
		form.begin();
	}

	/** @param {string} [id] */
	offered(id) {
		return this.known.catalogue.find(offered => offered.id === id);
	}
}

/** What is typed of a provider. */
class ProviderForm {
	provider = h("select");
	address = h("input", attr({required: true, placeholder: "https://…/v1"}));
	secret = h("input", attr({type: "password"}));
	model = h("input", attr({required: true, placeholder: t("typeToFind")}));
	list = h("datalist");
	where = h("span.quiet");
	said = h("p.quiet", attr({role: "status"}));
	tryIt = button(t("tryModel"), () => this.test());
	/** @type {ListedModel[]} */
	models = [];
	asked = 0; // for a list: an older answer is none
	typing = heldIn("provider");

	/** @param {ModelsDialog} dialog @param {Partial<Kept>} given */
	constructor(dialog, given) {
		this.dialog = dialog;
		this.given = given;
		const {catalogue} = dialog.known;
		const {id = catalogue[0].id, base, key, models = []} = given;
		const ids = [...catalogue.map(offered => offered.id), ...(dialog.offered(id) ? [] : [id])];
		const options = ids.map(each => h("option", attr({value: each}), dialog.nameOf(each)));
		this.provider.append(...options, h("option", attr({value: OTHER}), t("otherProvider")));
		this.provider.value = id;
		this.address.value = base ?? dialog.offered(id)?.base ?? "";
		this.secret.placeholder = key ? t("keyStays", {end: key}) : "";
		this.secret.autocomplete = "off";
		this.model.value = models[0]?.name ?? "";
		this.list.id = "listed-models";
		this.model.setAttribute("list", this.list.id);
		this.provider.onchange = () => this.change();
		this.address.onchange = this.secret.onchange = () => this.look();
		this.fill(models);
		this.root = this.draw();
		this.root.oninput = this.root.onchange = () =>
			this.typing.typed?.([this.given, this.fields.map(({value}) => value)]);
	}

	get fields() {
		return [this.provider, this.address, this.secret, this.model];
	}

	/** What was typed before the dialog was closed. @param {string[]} typed */
	resume(typed) {
		for (const [i, field] of this.fields.entries()) field.value = typed[i];
	}

	leave() {
		this.typing.typed?.();
		this.dialog.draw();
	}

	draw() {
		/** @param {string} label @param {HTMLElement} input */
		const field = (label, input) => h("label.field", h("small", t(label)), input);
		const cancel = button(t("cancel"), () => this.leave());
		return h(
			"form.try",
			attr({onsubmit: event => this.save(event)}),
			field("provider", this.provider),
			field("address", this.address),
			field("apiKey", this.secret),
			h("p.quiet", this.where, " ", t("keyStaysHere")),
			field("model", this.model),
			this.list,
			this.said,
			h(".row", submitButton(t("useIt")), this.tryIt, cancel),
		);
	}

	begin() {
		this.showWhere();
		if (!this.given.models || this.given.key !== undefined) this.look();
		(this.given.base ? this.model : this.provider).focus();
	}

	get typed() {
		const [base, key] = [this.address.value, this.secret.value];
		const id = this.provider.value === OTHER ? idOf(base) : this.provider.value;
		return {id, base, ...(key && {key})};
	}

	showWhere() {
		const href = this.dialog.offered(this.provider.value)?.key;
		this.where.replaceChildren(href ? h("a", attr({href}), t("getKey")) : "");
	}

	/** @param {ListedModel[]} models */
	fill(models) {
		this.models = models;
		this.list.replaceChildren(...models.map(each => h("option", attr({value: each.name}), windowOf(each))));
	}

	/** To another provider. */
	change() {
		this.given = {};
		this.address.value = this.dialog.offered(this.provider.value)?.base ?? "";
		for (const input of [this.secret, this.model]) input.value = "";
		this.secret.placeholder = this.said.textContent = "";
		this.fill([]);
		this.showWhere();
		this.look();
	}

	/** For the provider's list, once there is a key, or none is wanted. */
	async look() {
		const {typed} = this;
		const isOpen = typed.key || this.given.key || !this.dialog.offered(typed.id)?.key;
		if (!typed.base.trim() || !isOpen) return;
		this.asked += 1;
		const mine = this.asked;
		this.said.textContent = t("listing");
		let said = "";
		try {
			const {base, models} = await ask(`${PATH}/list`, typed);
			if (mine !== this.asked) return;
			this.address.value = base;
			this.fill(models);
			said = t("listed", {n: models.length});
		} catch (error) {
			said = `${messageOf(error)} ${t("typeName")}`;
		}
		if (mine === this.asked) this.said.textContent = said;
	}

	async test() {
		if (!this.root.reportValidity()) return;
		this.asked += 1;
		this.said.textContent = t("trying");
		this.tryIt.disabled = true;
		try {
			const outcome = await ask(`${PATH}/test`, {...this.typed, model: this.model.value.trim()});
			this.said.replaceChildren(outcomeText(outcome));
		} catch (error) {
			this.said.textContent = messageOf(error);
		}
		this.tryIt.disabled = false;
	}

	/** The model that is picked comes first among those that are kept of the provider. @param {Event} event */
	async save(event) {
		event.preventDefault();
		const {id, ...typed} = this.typed;
		const name = this.model.value.trim();
		const {dialog} = this;
		const before = dialog.known.kept.find(kept => kept.id === id)?.models ?? [];
		const picked = this.models.find(each => each.name === name) ?? {name};
		const models = [picked, ...before.filter(each => each.name !== name)].slice(0, MAX_KEPT);
		try {
			await ask(`${PATH}/${encodeURIComponent(id)}`, {...typed, models}, "PUT");
			this.typing.typed?.();
			await dialog.refresh({provider: id, name});
		} catch (error) {
			this.said.textContent = messageOf(error);
		}
	}
}

/** @param {Outcome} outcome */
function outcomeText({ok, seconds, ...failure}) {
	if (ok) return h("span.good", icon("done"), t("modelWorks", {seconds: formatNumber(seconds)}));
	const short = `try_${failure.code}`;
	const reason = failure.params?.reason;
	return h("span.bad", short in words() ? [t(short), reason && `: ${reason}`] : failureText(failure));
}

/** @param {Conversation} conversation @param {() => void} onchange of its model */
export async function openModels(conversation, onchange) {
	/** @param {ModelChoice} [choice] */
	const pick = choice => {
		conversation.model = choice;
		onchange();
	};
	const dialog = new ModelsDialog(await ask(PATH), conversation.model, pick);
	openDialog(t("models"), dialog.chosen, dialog.form);
	const [given, typed] = heldIn("provider").begun ?? [];
	if (typed) dialog.edit(given, typed);
	if (!dialog.known.locked) dialog.offerLocal().catch(() => {});
}
