// The panel's second tab: the servers with their state and tools. And the dialog for a prompt's arguments.
import {isUnknown, messageOf, promptText, reconnect, signIn, signOut, status, trust} from "./backend.js";
import {askedBill} from "./call-card.js";
import {attr, button, h, openDialog, toast} from "./elements.js";
import {visible} from "./exact-text.js";
import {failureText, t, textOf} from "./i18n.js";
import {allowForEver, isListed, listTool, toolsThatAsk} from "./preferences.js";
import {PURCHASE, purchaseOf} from "./purchase.js";
import {drawAnswer, drawExact} from "./result-view.js";
import {schemaForm} from "./schema-form.js";
import {makeSwitch, promptRow, switchRow, tokensText} from "./switches.js";
import {keyedCall} from "./tool-client.js";

/** @param {Tool} tool */
function runForm({server, name, input_schema: schema, readOnly, honoursKey}) {
	const call = keyedCall(server, name);
	/** @param {unknown} args @param {object | null} agreed @returns {Promise<HTMLElement>} */
	const send = async (args, agreed) => {
		try {
			return drawAnswer(await call(args, agreed));
		} catch (error) {
			const again = button(t("unknownRetry"), async () => box.replaceWith(await send(args, agreed)));
			const box = h("", h("p.bad", messageOf(error)), isUnknown(error) && (readOnly || honoursKey) && again);
			return box;
		}
	};
	/** What it costs is shown before anything is bought. @param {unknown} args @returns {Promise<HTMLElement>} */
	const run = async args => {
		const purchase = purchaseOf({server, tool: name, honoursKey, raw: JSON.stringify(args)}, server);
		if (!purchase) return send(args, name === PURCHASE ? null : {});
		const [bill, total] = await askedBill(server, purchase);
		const buy = async () => {
			yes.disabled = true;
			const sum = total();
			box.replaceWith(await send(args, sum === null ? null : {total: sum}));
		};
		const yes = button(t("confirmBuy"), buy, ".primary");
		/** @type {HTMLElement} */
		const no = button(t("cancel"), () => box.remove());
		/** @type {HTMLElement} */
		const box = h(".content", bill, h(".row", yes, no));
		return box;
	};
	return schemaForm(t("tryTool"), schema, run, t("run"));
}

/** Ask for a prompt's arguments, and `use` its text. @param {Prompt} prompt @param {(text: string) => void} use */
export function fillPrompt(prompt, use) {
	/** @param {unknown} args */
	const run = async args => {
		const text = await promptText(prompt, args);
		dialog.close();
		use(text); // after closing, which moves the focus
		return "";
	};
	const cancel = button(t("cancel"), () => dialog.close());
	const form = schemaForm(prompt.description, prompt.input_schema, run, t("takeOver"), cancel);
	const dialog = openDialog(prompt.title, form);
}

/** A tool only reads because its server says so: the user may want to be asked. @param {Tool} tool */
function askFirstBox({server, name}) {
	const tool = {server, tool: name};
	const onchange = () => {
		listTool("askFirst", tool, box.checked);
		listTool("asked", tool, box.checked);
	};
	const box = h("input", attr({type: "checkbox", checked: isListed(toolsThatAsk(), tool), onchange}));
	return h("label.check", box, t("askFirst"));
}

/** @param {Tool} tool */
function toolDetails(tool) {
	/** @param {"input_schema" | "output_schema"} key */
	const schema = key =>
		tool[key] && h("details.raw", h("summary", t(key)), drawExact(JSON.stringify(tool[key])));
	const askFirst = tool.readOnly && askFirstBox(tool);
	const schemas = [schema("input_schema"), schema("output_schema")];
	return h("", h("p", tool.description), askFirst, schemas, runForm(tool));
}

/** @param {Tool} tool */
function toolCard(tool) {
	const body = h(".card-body");
	const fill = () => body.firstChild || body.append(...toolDetails(tool).childNodes);
	const kind = tool.readOnly ? h("span.tag", t("readOnly")) : h("span.tag.warn", t("writes"));
	const title = h("bdi.card-title", visible(textOf(tool.title || tool.name)));
	const summary = h("summary", title, h("code", h("bdi", visible(textOf(tool.name)))), kind);
	const card = h("details.card", attr({ontoggle: fill}), summary, body);
	return switchRow(card, tool.name, {server: tool.server, tool: tool.name});
}

/** A command of `mcp.json` that this machine has not run before, in full. @param {Server} server */
function commandBox({name, fingerprint = "", params = {}}) {
	const labels = {command: "command", args: "args", cwd: "folder", env: "environment"};
	const facts = Object.entries(labels).flatMap(([key, label]) => [
		h("dt", t(label)),
		h("dd", drawExact(textOf(params[key] ?? "–"))),
	]);
	const start = () => trust(name, fingerprint).catch(error => toast(messageOf(error)));
	const ask = h("p", t("commandAsk"));
	return h(".slot.waiting", ask, h("dl.command", facts), button(t("startIt"), start, ".primary"));
}

/** Where a person signs in, in a tab that the click opens: later it would be a pop-up. @param {Server} server */
function signInRow({name, signIn: state}) {
	const begin = async () => {
		const tab = open("", "_blank");
		if (tab) tab.opener = null;
		try {
			(tab ?? window).location.href = await signIn(name);
		} catch (error) {
			tab?.close();
			toast(messageOf(error));
		}
	};
	const end = () => signOut(name).catch(error => toast(messageOf(error)));
	const press = state === "needed" ? button(t("signIn"), begin, ".primary") : button(t("signOut"), end);
	return h("p.quiet", press, " ", t("signInShared"));
}

/** What its entry calls allowed is allowed by a click only. @param {string} server @param {Note} note */
function noteRow(server, {code, params, text}) {
	const names = [params.tools].flat();
	const meant = status.tools.filter(
		tool => tool.server === server && !tool.readOnly && (names.includes("*") || names.includes(tool.name)),
	);
	const allow = () => {
		for (const {name, fingerprint} of meant) allowForEver({server, tool: name, fingerprint});
		toast(t("allowedNow"));
	};
	const line = visible(failureText({code, params, detail: text}));
	return h("li", line, code === "no_consent" && meant.length > 0 && button(t("allowNow"), allow));
}

/** @param {Server} server */
function serverBox(server) {
	const {name, status: state, transport, protocolVersion, url} = server;
	const remarks = [...(server.notes ?? []), ...(server.skipped ?? [])];
	const isUntrusted = state === "untrusted";
	const again = state === "down" && button(t("reconnect"), () => reconnect(name).catch(() => {}));
	const notes = remarks.map(note => noteRow(name, note));
	const header = h("header", h("i.dot"), h("h2", h("bdi", visible(name))), h("span.quiet", t(state)), again);
	const box = h(
		"section.server",
		attr({"data-status": state}),
		header,
		h("p.quiet", [transport, protocolVersion, !isUntrusted && url].filter(Boolean).join(" · ")),
		isUntrusted ? commandBox(server) : h("p.bad", visible(failureText(server))),
		server.signIn && signInRow(server),
		notes.length > 0 && h("ul.notes", notes),
		status.tools.filter(({server}) => server === name).map(toolCard),
		status.prompts.filter(({server}) => server === name).map(promptRow),
	);
	header.append(makeSwitch(box, name, {server: name}));
	return box;
}

/** @param {HTMLElement} box @param {() => void} onswitch something was switched on or off */
export function drawServers(box, onswitch) {
	const tokens = h("p.quiet", attr({role: "status"}), tokensText(status));
	box.replaceChildren(tokens, ...status.servers.map(serverBox), status.servers.length ? "" : t("noServers"));
	box.onchange = ({target}) => {
		if (!(target instanceof HTMLInputElement) || target.role !== "switch") return;
		tokens.textContent = tokensText(status);
		onswitch();
	};
}
