// The resources of all servers: found, filled in, read, shown, followed while one is open, and attached to a question.
import {attachFiles} from "./attached.js";
import {ask, events, messageOf, sleep, status} from "./backend.js";
import {heldIn} from "./conversations.js";
import {attr, button, h, openDialog} from "./elements.js";
import {noteText, visible} from "./exact-text.js";
import {localised, sizeText, t} from "./i18n.js";
import {nodesOf} from "./prose.js";
import {bytesOf, drawMedia, drawResult} from "./result-view.js";
import {schemaForm} from "./schema-form.js";

/** @typedef {{name: string, required: boolean}} Argument */
/** @typedef {{uri: string, title: string, description: string, mimeType: string, size: number | null, arguments?: Argument[]}} Resource */
/** @typedef {{uri: string, mimeType: string, text?: string, blob?: string, html?: string}} Content */
/** @typedef {Record<string, string>} Values */

const MAX_SHOWN = 60; // of a server's, until they are searched
const TYPING_MS = 200;
const RETRY_MS = 1000; // until a resource is followed again whose server was away

/** @param {unknown} error */
const failed = error => h("p.bad", messageOf(error));

/** The name of a file to save. @param {string} uri */
const fileName = uri => uri.split(/[/?#]/).filter(Boolean).pop() ?? uri;

/** @param {Content} content */
function drawContent({uri, mimeType: type, text, blob, html}) {
	if (html) return h(".prose", ...nodesOf(html));
	if (text !== undefined) return drawResult(text);
	return drawMedia({
		mime_type: type || "application/octet-stream",
		data: blob ?? "",
		uri,
		name: fileName(uri),
	});
}

/** A model gets texts and pictures. @param {Content[]} contents */
const filesOf = contents =>
	contents.flatMap(({uri, mimeType: type, text, blob}) => {
		if (text !== undefined) return [new File([text], uri)];
		return blob && type.startsWith("image/") ? [new File([bytesOf(blob)], uri, {type})] : [];
	});

/** Let the server complete a field while it is typed in; an answer that is outdated counts no more. @type {(server: string, uri: string, name: string, input: HTMLInputElement, form: HTMLFormElement) => void} */
function complete(server, uri, name, input, form) {
	const list = h("datalist");
	list.id = `completions-${name}`; // of one form at a time
	input.autocomplete = "off";
	input.name = name;
	input.setAttribute("list", list.id);
	input.after(list);
	let newest = 0;
	const look = async () => {
		newest += 1;
		const mine = newest;
		await sleep(TYPING_MS);
		if (mine !== newest) return;
		const {[name]: value = "", ...context} = Object.fromEntries(new FormData(form));
		const body = {server, ref: {type: "ref/resource", uri}, argument: {name, value}, context};
		const {values: found} = await ask("api/complete", body).catch(() => ({values: []})); // many cannot
		if (mine === newest)
			list.replaceChildren(...found.map((/** @type {string} */ text) => h("option", attr({value: text}))));
	};
	for (const event of ["input", "focus"]) input.addEventListener(event, look);
}

class ResourceBrowser {
	#box = h(".content");
	#shown = new AbortController(); // of what is shown: ends with it
	#search = h(
		"input",
		attr({type: "search", "aria-label": t("findResources"), placeholder: t("findResources")}),
	);
	#servers = status.servers.filter(server => server.status === "ready").map(({name}) => this.#section(name));
	#list = h(".content", h("label.field", this.#search), ...this.#servers.map(({root}) => root));

	constructor() {
		if (!this.#servers.length) this.#list.append(h("p.quiet", t("noServers")));
		this.#search.oninput = () => {
			for (const {draw} of this.#servers) draw();
		};
	}

	open() {
		this.dialog = openDialog(t("resources"), this.#box);
		this.dialog.classList.add("large");
		this.dialog.addEventListener("close", () => this.#shown.abort());
	}

	list() {
		this.#show(this.#list);
		for (const {fill} of this.#servers) fill();
		this.#search.focus();
	}

	/** @param {...HTMLElement} content */
	#show(...content) {
		this.#shown.abort();
		this.#shown = new AbortController();
		this.#box.replaceChildren(...content);
		return this.#shown.signal;
	}

	/** A server's part of the list, which is read once. @param {string} server */
	#section(server) {
		const body = h(".starters", t("reading"));
		const remarks = h("ul.notes");
		/** @type {Resource[] | null} */
		let all = null;
		const draw = () => {
			if (!all) return;
			const wanted = this.#search.value.trim().toLowerCase();
			const found = all.filter(one =>
				`${one.title} ${one.uri} ${one.description}`.toLowerCase().includes(wanted),
			);
			const rest = found.length - MAX_SHOWN;
			body.replaceChildren(...found.slice(0, MAX_SHOWN).map(one => this.#entry(server, one)));
			if (!found.length) body.append(h("p.quiet", t("noResources")));
			if (rest > 0) body.append(h("p.quiet", t("rest", {n: rest})));
		};
		const fill = async () => {
			if (all) return;
			try {
				const wanted = new URLSearchParams({server});
				const {resources, templates, skipped} = await ask(`api/resources?${wanted}`);
				all = [...templates, ...resources].map(one => ({...one, title: localised(one.title)}));
				remarks.replaceChildren(...skipped.map((/** @type {Note} */ note) => h("li", noteText(note))));
				draw();
			} catch (error) {
				body.replaceChildren(failed(error));
			}
		};
		return {root: h("section", h("h2", h("bdi", visible(server))), body, remarks), draw, fill};
	}

	/** @param {string} server @param {Resource} resource */
	#entry(server, {uri, title, description, mimeType, size, arguments: args}) {
		const about = [description, mimeType, size !== null && sizeText(size)].filter(Boolean).join(" · ");
		const open = () => (args ? this.#fillIn(server, {uri, title, args}) : this.read(server, uri, title));
		return h(
			"button.starter",
			attr({onclick: open}),
			h("small", visible(title)),
			h("code", visible(uri)),
			h("span.quiet", visible(about)),
		);
	}

	/** Ask for a template's arguments. @param {string} server @param {{uri: string, title: string, args: Argument[]}} template */
	#fillIn(server, {uri, title, args}) {
		const properties = Object.fromEntries(args.map(({name}) => [name, {type: "string"}]));
		const required = args.filter(each => each.required).map(({name}) => name);
		const run = async (/** @type {any} any: texts, by name */ values) => {
			this.read(server, uri, title, values);
			return "";
		};
		const typing = heldIn(`template ${server} ${uri}`);
		const form = schemaForm(visible(title), {properties, required}, run, t("read"), typing, this.#back());
		const inputs = form.querySelectorAll("input");
		for (const [i, input] of inputs.entries()) complete(server, uri, args[i].name, input, form);
		this.#show(h("code", visible(uri)), form);
		inputs[0]?.focus();
	}

	#back() {
		return button(t("back"), () => this.list());
	}

	/** @param {string} server @param {string} uri @param {string} title @param {Values} [args] */
	async read(server, uri, title, args) {
		/** @type {Content[]} */
		let contents = [];
		const [body, address, live] = [
			h(".content", t("reading")),
			h("code", visible(uri)),
			h("span.tag", t("live")),
		];
		const attach = button(t("attachThis"), () => this.#attach(filesOf(contents)), ".primary");
		attach.hidden = live.hidden = true;
		const again = async () => {
			try {
				const answer = await ask("api/read-resource", {server, uri, args});
				contents = answer.contents;
				address.textContent = visible(answer.uri);
				attach.hidden = !filesOf(contents).length;
				body.replaceChildren(...contents.map(drawContent));
				return /** @type {string} */ (answer.uri);
			} catch (error) {
				body.replaceChildren(failed(error));
				return "";
			}
		};
		const acts = h(".row", attach, button(t("readAgain"), again), this.#back(), live);
		const signal = this.#show(h("h3", h("bdi", visible(server)), " · ", visible(title)), address, acts, body);
		const found = await again();
		const onchange = () => {
			live.hidden = false;
			return again();
		};
		if (found) await follow(server, found, signal, onchange);
		live.hidden = true;
	}

	/** @param {File[]} files */
	async #attach(files) {
		await attachFiles(files);
		this.dialog?.close();
	}
}

/** Read again at every change, for as long as it is shown and its server tells. @type {(server: string, uri: string, signal: AbortSignal, onchange: () => Promise<unknown>) => Promise<void>} */
async function follow(server, uri, signal, onchange) {
	let wasFollowed = false;
	do {
		try {
			for await (const _ of events(`api/follow?${new URLSearchParams({server, uri})}`, null, signal)) {
				wasFollowed = true;
				await onchange();
			}
		} catch {}
		await sleep(RETRY_MS);
	} while (wasFollowed && !signal.aborted);
}

/** Show what all servers have, or one resource. @param {{server: string, uri: string, title: string}} [one] */
export function openResources(one) {
	const browser = new ResourceBrowser();
	browser.open();
	if (one) browser.read(one.server, one.uri, one.title);
	else browser.list();
}
