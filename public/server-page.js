// All that is known of one server, and every message to and from it; loaded when somebody looks.
import {ask, messageOf, reconnect, sleep} from "./backend.js";
import {attr, button, copyButton, copyText, focusIn, h, openDialog} from "./elements.js";
import {drawExact, noteText, visible} from "./exact-text.js";
import {failureText, formatNumber, t, textOf} from "./i18n.js";
import {editServer, tell} from "./server-editor.js";
import {parseJson} from "./tool-result.js";

/**
 * @typedef {object} Recorded
 * @property {number} number @property {number} at seconds since 1970 @property {string} way @property {string} text
 * @property {number} size @property {string | number | null} id @property {string | null} method
 * @property {number | null} ms @property {boolean} is_error @property {boolean} isAnswer
 */
/** @typedef {Server & {about: Record<string, any>, versions: Record<string, string>, instructions: string, logLevel: string | null, messages: Recorded[]}} Looked */

const POLL_MS = 1000;
const MAX_ROWS = 500;
const LEVELS = ["", "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];
const LOG = "notifications/message";
const MARKS = /** @type {Record<string, string>} */ ({
	in: "←",
	out: "→",
	failed: "✕",
	stderr: "≡",
	state: "•",
});
/** @type {Record<string, (message: Recorded) => boolean>} */
const WAYS = {
	all: () => true,
	in: ({way}) => way === "in",
	out: ({way}) => way === "out",
	bad: ({is_error}) => is_error,
	log: ({method}) => method === LOG,
	stderr: ({way}) => way === "stderr",
};

/** @param {number} seconds */
function clock(seconds) {
	const at = new Date(seconds * 1000);
	return `${at.toLocaleTimeString("en-GB")}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/** What a server logs. @param {string} text */
function logLine(text) {
	/** @type {any} any: a server's */
	const said = parseJson(text);
	return [said?.params?.level, said?.params?.logger, textOf(said?.params?.data)].filter(Boolean).join(" · ");
}

/** @param {Recorded} message */
function drawMessage(message) {
	const {at, way, text, size, id, method, ms, is_error: isError, isAnswer} = message;
	const kept = formatNumber(text.length);
	const fill = () => {
		if (body.firstChild) return;
		if (text.length < size) body.append(h("p.warned", t("messageCut", {size: formatNumber(size), kept})));
		body.append(
			copyButton(() => text),
			drawExact(text),
		);
	};
	const body = h(".card-body");
	const name =
		method === LOG ? logLine(text) : (method ?? (MARKS[way].match(/[←→]/) ? "" : text.slice(0, 120)));
	const summary = h(
		"summary",
		h("span.num", clock(at)),
		h("span", attr({title: t(`way_${way}`), role: "img", "aria-label": t(`way_${way}`)}), MARKS[way]),
		h("bdi.wire-name", visible(name), isAnswer && method && " ✓"),
		h(
			"small",
			[id !== null && `#${id}`, ms !== null && `${ms} ms`, `${formatNumber(size)} B`]
				.filter(Boolean)
				.join(" · "),
		),
	);
	return h("details.wire", attr({ontoggle: fill, "data-status": isError ? "down" : ""}), summary, body);
}

/** Links that add a server to other clients, without anything secret. @param {Server} server */
function installLinks({name, url, transport}) {
	if (!/^https?:/.test(url) || !URL.canParse(url) || url.includes("***")) return null; // a part is masked
	const entry = {url: new URL(url).href}; // in ASCII
	const type = transport === "sse" ? "sse" : "http";
	/** @type {[string, string, string][]} */
	const clients = [
		["Cursor", "https://cursor.com/en/install-mcp", btoa(JSON.stringify(entry))],
		["VS Code", "https://insiders.vscode.dev/redirect/mcp/install", JSON.stringify({type, ...entry})],
	];
	const links = clients.map(([client, address, config]) => {
		const href = `${address}?name=${encodeURIComponent(name)}&config=${encodeURIComponent(config)}`;
		return [" · ", h("a", attr({href, target: "_blank", rel: "noopener noreferrer"}), client)];
	});
	return h("span", links.flat().slice(1));
}

class ServerPage {
	#last = 0;
	#seen = "";
	#tools = 0;
	#isPaused = false;
	/** @type {Recorded[]} */
	#messages = [];
	#facts = h("dl.command");
	#output = h("", attr({role: "status"}));
	#list = h(".wires");
	#count = h("span.quiet");
	#text = h(
		"input",
		attr({type: "search", placeholder: t("filterMessages"), "aria-label": t("filterMessages")}),
	);
	#way = h("select", attr({"aria-label": t("messages")}));
	#level = h("select");

	/** @param {Server} server */
	constructor(server) {
		const {name} = server;
		this.path = `api/servers/${encodeURIComponent(name)}`;
		this.#way.append(...Object.keys(WAYS).map(way => h("option", attr({value: way}), t(`way_${way}`))));
		this.#level.append(...LEVELS.map(level => h("option", attr({value: level}), level || "–")));
		this.#text.oninput = this.#way.onchange = () => this.#draw();
		this.#level.onchange = () => {
			const {value: level} = this.#level;
			if (level) tell(this.#output, () => ask(`${this.path}/log-level`, {level}));
		};
		const edit = () => {
			this.dialog.addEventListener("close", () => editServer(server)); // above the panel, which comes back first
			this.dialog.close();
		};
		const acts = [
			button(t("reconnect"), () => tell(this.#output, () => reconnect(name))),
			button(t("refreshList"), () => tell(this.#output, () => this.#refresh())),
			button(t("editEntry"), edit),
			h("label.check", h("span.num", t("logLevel")), this.#level),
		];
		const pause = button(t("pause"), () => {
			this.#isPaused = !this.#isPaused;
			pause.textContent = t(this.#isPaused ? "resume" : "pause");
		});
		const all = button(t("copyAll"), () =>
			copyText(this.#shown.map(each => JSON.stringify(each)).join("\n")),
		);
		const filters = h(".row.filters", this.#text, this.#way, pause, all);
		const head = h("h4", t("messages"), " ", this.#count);
		const parts = [this.#facts, h(".row", acts), this.#output, head, filters, this.#list];
		this.dialog = openDialog(t("serverPage", {name}), parts);
		this.dialog.classList.add("large");
		focusIn(this.dialog, ".btn");
		this.#follow();
	}

	async #refresh() {
		const {ms} = await ask(`${this.path}/refresh`, {});
		return t("refreshedIn", {tools: this.#tools, ms});
	}

	async #follow() {
		while (this.dialog.open) {
			if (!document.hidden && !this.#isPaused) await this.#load();
			await sleep(POLL_MS);
		}
	}

	async #load() {
		try {
			/** @type {Looked & {tools: number}} */
			const looked = await ask(`${this.path}/wire?since=${this.#last}`);
			if (this.#isPaused) return;
			this.#tools = looked.tools;
			this.#drawFacts(looked);
			if (!looked.messages.length) return;
			this.#last = looked.messages.at(-1)?.number ?? 0;
			this.#messages = [...this.#messages, ...looked.messages].slice(-MAX_ROWS);
			this.#draw(looked.messages);
		} catch (error) {
			this.#output.replaceChildren(h("p.bad", messageOf(error)));
		}
	}

	/** @param {Looked} looked */
	#drawFacts(looked) {
		const {about, instructions, status, transport, url, protocolVersion, versions, notes = []} = looked;
		const seen = JSON.stringify({...looked, messages: [], retryIn: 0});
		if (seen === this.#seen) return;
		this.#seen = seen;
		const can = about.capabilities ?? {};
		const {name, title = name, version: own} = about.server ?? {};
		const others = Object.entries(versions).map(([each, number]) => `${each} ${number}`);
		const version = [[title, own].filter(Boolean).join(" "), ...others].filter(Boolean).join(" · ");
		const era = about.server && t(about.isModern ? "era_modern" : "era_handshake");
		/** @type {Record<string, unknown>} */
		const facts = {
			way_state: [t(status), failureText(looked)].filter(Boolean).join(" · "),
			transport: `${transport} · ${url}`,
			addElsewhere: installLinks(looked),
			era: era && `${protocolVersion} · ${era}`,
			version,
			capabilities:
				Object.keys(can).length &&
				h("details", h("summary", Object.keys(can).join(", ")), drawExact(JSON.stringify(can))),
			instructions:
				instructions &&
				h("details", h("summary", visible(instructions.slice(0, 80))), h("p.lines", visible(instructions))),
		};
		const remarks = notes.map(note => h("li", noteText(note)));
		const rows = Object.entries(facts).filter(([, value]) => value);
		this.#facts.replaceChildren(
			...rows.flatMap(([label, value]) => [
				h("dt", t(label)),
				h("dd", value instanceof Node ? value : visible(textOf(value))),
			]),
			...(remarks.length ? [h("dt"), h("dd", h("ul.notes", remarks))] : []),
		);
		this.#level.disabled = !about.isModern && !can.logging;
		if (document.activeElement !== this.#level) this.#level.value = looked.logLevel ?? "";
	}

	get #shown() {
		const wanted = this.#text.value.trim().toLowerCase();
		const isWanted = WAYS[this.#way.value];
		return this.#messages.filter(
			each => isWanted(each) && (!wanted || `${each.method} ${each.text}`.toLowerCase().includes(wanted)),
		);
	}

	/** @param {Recorded[]} [added] those that are new; without, all are drawn anew */
	#draw(added) {
		const shown = this.#shown;
		const news = added ? shown.filter(each => added.includes(each)) : shown;
		if (!added || this.#list.querySelector("p")) this.#list.replaceChildren();
		this.#list.prepend(...news.reverse().map(drawMessage));
		while (this.#list.childElementCount > MAX_ROWS) this.#list.lastElementChild?.remove();
		if (!shown.length) this.#list.replaceChildren(h("p.quiet", t("messagesNone")));
		this.#count.textContent = t("messagesKept", {n: shown.length});
	}
}

/** @param {Server} server */
export const showServer = server => new ServerPage(server);
