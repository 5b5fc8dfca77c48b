// The panel's second tab: the servers with their state, tools and prompts.
import {messageOf, reconnect, signIn, signOut, status, trust} from "./backend.js";
import {attr, button, h, iconButton, toast} from "./elements.js";
import {visible} from "./exact-text.js";
import {failureText, localised, t, textOf} from "./i18n.js";
import {allowForEver} from "./preferences.js";
import {drawExact} from "./result-view.js";
import {makeSwitch, promptRow, switchRow, tokensText} from "./switches.js";

/** @param {Tool} tool */
function toolCard(tool) {
	const body = h(".card-body");
	const fill = async () => {
		if (body.firstChild) return;
		const {toolDetails} = await import("./tool-details.js");
		body.replaceChildren(...toolDetails(tool));
	};
	const kind = tool.readOnly ? h("span.tag", t("readOnly")) : h("span.tag.warn", t("writes"));
	const title = h("bdi.card-title", visible(localised(textOf(tool.title || tool.name))));
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
	const manage = async () => (await import("./server-page.js")).showServer(server);
	header.append(iconButton("edit", manage, t("manageServer", {name})), makeSwitch(box, name, {server: name}));
	return box;
}

/** @param {HTMLElement} box @param {() => void} onswitch something was switched on or off */
export function drawServers(box, onswitch) {
	const tokens = h("p.quiet", attr({role: "status"}), tokensText(status));
	const add = button(t("addServer"), async () => (await import("./server-editor.js")).addServer());
	const none = status.servers.length ? "" : h("p.quiet", t("noServers"));
	box.replaceChildren(tokens, h(".row", add), ...status.servers.map(serverBox), none);
	box.onchange = ({target}) => {
		if (!(target instanceof HTMLInputElement) || target.role !== "switch") return;
		tokens.textContent = tokensText(status);
		onswitch();
	};
}
