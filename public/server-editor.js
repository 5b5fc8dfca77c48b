// Servers added and edited in the page, that is in mcp.json; loaded when somebody does so.
import {ask, messageOf} from "./backend.js";
import {heldIn} from "./conversations.js";
import {attr, button, h, openDialog, toast} from "./elements.js";
import {drawExact, noteText, visible} from "./exact-text.js";
import {failureText, t, textOf} from "./i18n.js";

/** @typedef {Server & {exists?: boolean, tools?: number}} Found */

const LOOK_MS = 300; // after the last key
const EXAMPLES = 'https://mcp.example.com/mcp\nnpx -y @scope/server\n{"mcpServers": {…}}';

/** @param {string} label @param {number} rows */
function codeField(label, rows) {
	const field = h("textarea.code", attr({"aria-label": label}));
	return Object.assign(field, {rows, spellcheck: false, autocapitalize: "off"});
}

/** How a server that was tried is. @param {Found} server */
function outcome(server) {
	const {status, tools = 0, protocolVersion} = server;
	if (status === "ready") return h("p.good", t("testReady", {n: tools, version: protocolVersion ?? "–"}));
	return h("p.bad", status === "untrusted" ? t("testWaits") : visible(failureText(server)));
}

/** Do it, and say in a box what came of it. @param {HTMLElement} output @param {() => Promise<unknown>} work @returns {Promise<any>} any: why it failed */
export async function tell(output, work, said = "") {
	output.replaceChildren(said);
	try {
		const shown = [await work()].flat().filter(each => typeof each === "string" || each instanceof Node);
		output.replaceChildren(...shown);
	} catch (error) {
		output.replaceChildren(h("p.bad", messageOf(error)));
		return error;
	}
}

/** One server of what was pasted, with the name that it gets. */
class FoundRow {
	/** @param {Found} server @param {boolean} isOneOfMany */
	constructor(server, isOneOfMany) {
		const {name, transport, url, notes = [], status, exists, params = {}} = server;
		const [isWrong, isCommand] = [status === "disabled", transport === "stdio"];
		this.read = name;
		this.name = h(
			"input",
			attr({"aria-label": `${t("serverName")} ${name}`, value: exists ? `${name}-2` : name}),
		);
		this.chosen = h("input", attr({type: "checkbox", "aria-label": name, checked: !isWrong}));
		this.output = h("");
		const remarks = notes.map(note => h("li", noteText(note)));
		this.root = h(
			"section.server",
			h(".check", isOneOfMany && this.chosen, this.name),
			exists && h("p.warned", t("error.server_exists", {server: name})),
			!isWrong && h("p.quiet", isCommand ? transport : `${transport} · ${url}`),
			isWrong && h("p.bad", visible(failureText(server))),
			isCommand && params.line && h("", drawExact(textOf(params.line))),
			status === "untrusted" && h("p.quiet", t("testWaits")),
			remarks.length > 0 && h("ul.notes", remarks),
			this.output,
		);
	}
}

class AddDialog {
	/** @type {FoundRow[]} */
	#rows = [];
	#asked = 0;
	#timer = 0;
	#typing = heldIn("servers");
	#text = codeField(t("pasteServer"), 6);
	#list = h(".content", attr({role: "status"}));
	#output = h("", attr({role: "status"}));
	#add = button(t("add"), () => tell(this.#output, () => this.#save()), ".primary");
	#test = button(t("test"), () => tell(this.#output, () => this.#try(), t("testing")));

	constructor() {
		this.#text.placeholder = EXAMPLES;
		this.#text.value = this.#typing.begun ?? "";
		this.#text.oninput = () => {
			this.#typing.typed?.(this.#text.value);
			clearTimeout(this.#timer);
			this.#timer = Number(setTimeout(() => this.#look(), LOOK_MS));
		};
		const parts = [this.#text, this.#list, this.#output, h(".row", this.#add, this.#test)];
		this.dialog = openDialog(t("addServer"), h("p", t("pasteServer")), parts);
		this.dialog.classList.add("large");
		this.#look();
	}

	/** @param {FoundRow[]} rows */
	#show(rows) {
		this.#rows = rows;
		for (const each of [this.#add, this.#test]) each.disabled = !rows.length;
		return rows.map(({root}) => root);
	}

	/** How what is pasted is understood; the answer to what was typed last counts. */
	#look() {
		const [mine, text] = [++this.#asked, this.#text.value];
		const read = async () => {
			if (!text.trim()) return this.#show([]);
			const found = await ask("api/servers/preview", {text}).catch(error => ({error, servers: []}));
			if (mine !== this.#asked) return [...this.#list.childNodes];
			const rows = found.servers.map(
				(/** @type {Found} */ each) => new FoundRow(each, found.servers.length > 1),
			);
			const shown = this.#show(rows);
			return found.error ? [h("p.bad", messageOf(found.error))] : shown;
		};
		return tell(this.#list, read);
	}

	async #save() {
		const chosen = this.#rows.filter(({chosen}, _, {length}) => length === 1 || chosen.checked);
		const names = Object.fromEntries(chosen.map(({read, name}) => [read, name.value]));
		await ask("api/servers", {text: this.#text.value, names});
		this.#typing.typed?.();
		this.dialog.close();
		toast(t("serverAdded", {names: Object.values(names).join(", ")}));
	}

	async #try() {
		const {servers} = await ask("api/servers/test", {text: this.#text.value});
		for (const [i, server] of servers.entries()) {
			// What is not tried says so already.
			const said = ["disabled", "untrusted"].includes(server.status) ? "" : outcome(server);
			this.#rows[i]?.output.replaceChildren(said);
		}
	}
}

/** The entry of a server as it is written, to be changed, tried, switched off or removed. */
class EntryDialog {
	#version = "";
	#output = h("", attr({role: "status"}));
	#masks = h("p.quiet", t("masksStay"));

	/** @param {Server} server */
	constructor({name, code}) {
		const isOff = code === "switched_off";
		this.path = `api/servers/${encodeURIComponent(name)}`;
		this.typing = heldIn(this.path);
		const {begun} = this.typing;
		this.name = h("input", attr({"aria-label": t("serverName"), value: begun?.name ?? name}));
		this.text = codeField(t("entryOf", {name}), 12);
		this.name.oninput = this.text.oninput = () => this.typing.typed?.(this.#entry);
		const buttons = [
			this.#writing("save", () => ask(`${this.path}/entry`, this.#entry, "PUT"), ".primary"),
			button(t("test"), () => this.#tell(() => this.#try(), t("testing"))),
			button(t("reload"), () => this.#tell(() => this.#load())),
			this.#writing(isOff ? "switchOn" : "switchOff", () => ask(`${this.path}/switch`, {on: isOff})),
			button(t("remove"), () => this.#ask(name), ".danger"),
		];
		const label = h("label.field", h("small", t("serverName")), this.name);
		const parts = [label, this.text, this.#masks, h(".row", buttons), this.#output];
		this.dialog = openDialog(t("manageServer", {name}), parts);
		this.dialog.classList.add("large");
		// What is said meanwhile stays.
		this.#load(begun).catch(error => this.#output.replaceChildren(h("p.bad", messageOf(error))));
	}

	get #entry() {
		return {text: this.text.value, version: this.#version, name: this.name.value};
	}

	/** @param {any} [begun] what was written and not saved, else as it is in the file */
	async #load(begun) {
		if (!begun) this.typing.typed?.();
		const {text, version} = begun ?? (await ask(`${this.path}/entry`));
		this.#version = version;
		this.#masks.hidden = !text.includes("***1***");
		this.text.value = text;
		this.text.rows = Math.min(20, Math.max(5, text.split("\n").length + 1));
	}

	async #try() {
		return outcome(await ask(`${this.path}/test`, {text: this.text.value}));
	}

	/** @param {() => Promise<unknown>} work */
	async #tell(work, said = "") {
		const why = await tell(this.#output, work, said);
		this.#point(why?.params?.line);
	}

	/** A button whose work, once done, closes the dialog. @param {string} label @param {() => Promise<unknown>} change */
	#writing(label, change, kind = "") {
		const write = async () => {
			await change();
			this.typing.typed?.();
			this.dialog.close();
			toast(t("saved"));
		};
		return button(t(label), () => this.#tell(write), kind);
	}

	/** Select the line that is wrong. @param {number} [line] */
	#point(line) {
		if (!line) return;
		const lines = this.text.value.split("\n").slice(0, line);
		const end = lines.join("\n").length;
		this.text.focus();
		this.text.setSelectionRange(end - (lines.at(-1)?.length ?? 0), end);
	}

	/** @param {string} name */
	#ask(name) {
		const remove = () => ask(`${this.path}/entry`, null, "DELETE");
		const no = button(t("cancel"), () => this.#output.replaceChildren());
		const row = h(".row", this.#writing("remove", remove, ".danger"), no);
		this.#output.replaceChildren(h("p", t("removeAsk", {name})), row);
		no.focus();
	}
}

export const addServer = () => new AddDialog();

/** @param {Server} server */
export const editServer = server => new EntryDialog(server);
