// The panel's second tab: the servers with their state, tools and prompts.
import {ask, reconnect, status} from "./backend.js";
import {attr, button, h, iconButton, refill, toast} from "./elements.js";
import {drawExact, noteText, visible} from "./exact-text.js";
import {failureText, formatNumber, localised, t, textOf} from "./i18n.js";
import {allowForEver, isListed, listedTools, listTool, switches} from "./preferences.js";
import {drawHealth} from "./state.js";

/** @typedef {["off" | "offPrompts", ListedTool]} Switched in which list it is while it is off, and as what */
/** @template T @typedef {{facts: string, box: T}} Drawn what a box says */
/** @type {Map<string, Drawn<HTMLElement>>} so that what is written, open or in focus stays while others change */
const drawn = new Map();

/** Give a box, dim while it is off, its switch. @param {HTMLElement} box @param {string} name @param {Switched} what */
function makeSwitch(box, name, [list, entry]) {
	const isOff = isListed(listedTools(list), entry);
	const onchange = () => {
		listTool(list, entry, !input.checked);
		box.toggleAttribute("data-off", !input.checked);
	};
	const title = t("offerIt", {name});
	const props = {type: "checkbox", role: "switch", "aria-label": title, checked: !isOff, onchange};
	const input = h("input", attr(props));
	box.toggleAttribute("data-off", isOff);
	return h("label.switch", attr({title}), input);
}

/** A row that can be switched off. @param {HTMLElement} content @param {string} name @param {Switched} what */
function switchRow(content, name, what) {
	const row = h(".switched", content);
	row.append(makeSwitch(row, name, what));
	return row;
}

/** @param {Prompt} prompt */
function promptRow({server, name, title}) {
	const said = localised(title);
	const row = h(".row", h("bdi", visible(said)), h("span.tag", t("prompt")));
	return switchRow(row, said, ["offPrompts", {server, tool: name}]);
}

/** How much of what the model can read its tools take. @param {Status} status */
function tokensText({tools, toolTokens, model}) {
	if (!toolTokens) return "";
	const isOff = switches();
	const offered = tools.filter(({server, name}) => !isOff(server, name)).map(({tokens = 0}) => tokens);
	/** @param {number} least */
	const sum = least => offered.reduce((total, tokens) => total + Math.max(tokens, least), 0);
	const {max, share, each} = toolTokens;
	const isSearched = sum(each) > Math.min(max, share * (model.window || Number.POSITIVE_INFINITY));
	const window = model.window ? t("ofWindow", {n: formatNumber(model.window)}) : "";
	return t(isSearched ? "toolsSearched" : "toolsTake", {n: formatNumber(sum(0)), window});
}

/** @param {string} server @param {string} what @param {object} [body] */
const askOf = (server, what, body = {}) => ask(`api/servers/${encodeURIComponent(server)}/${what}`, body);

/** The box of before, as long as it would say the same. @param {string} id @param {unknown[]} facts @param {() => HTMLElement} make */
function unchanged(id, facts, make) {
	const text = JSON.stringify([document.documentElement.lang, ...facts]);
	const known = drawn.get(id);
	const box = known?.facts === text ? known.box : make();
	if (known?.box.matches("[open]")) box.setAttribute("open", "");
	drawn.set(id, {facts: text, box});
	return box;
}

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
	return h("details.card", attr({ontoggle: fill}), summary, body);
}

/** What of mcp.json waits for consent, in full. @param {Server} server */
function consentBox(server) {
	const {name, transport, fingerprint = "", params = {}} = server;
	const isCommand = transport === "stdio";
	/** @type {Record<string, string>} */
	const labels = isCommand
		? {command: "command", args: "args", cwd: "folder", env: "environment"}
		: {names: "environment", host: "address"};
	const facts = Object.entries(labels).flatMap(([key, label]) => [
		h("dt", t(label)),
		h("dd", drawExact(textOf(params[key] ?? "–"))),
	]);
	const start = () => askOf(name, "trust", {fingerprint}); // let it run on this machine, as it is shown
	const [ask, press] = isCommand ? ["commandAsk", "startIt"] : ["variablesAsk", "sendThem"];
	return h(".slot.waiting", h("p", t(ask)), h("dl.command", facts), button(t(press), start, ".primary"));
}

/** Where a person signs in, in a tab that the click opens: later it would be a pop-up. @param {Server} server */
function signInRow({name, signIn: state}) {
	const begin = async () => {
		const tab = open("", "_blank");
		if (tab) tab.opener = null;
		try {
			(tab ?? window).location.href = (await askOf(name, "sign-in")).url;
		} catch (error) {
			tab?.close();
			throw error;
		}
	};
	const press =
		state === "needed"
			? button(t("signIn"), begin, ".primary")
			: button(t("signOut"), () => askOf(name, "sign-out"));
	return h("p.quiet", press, " ", t("signInShared"));
}

/** What its entry calls allowed is allowed by a click only. @param {string} server @param {Note} note */
function noteRow(server, note) {
	const {code, params} = note;
	const names = [params.tools].flat();
	const meant = status.tools.filter(
		tool => tool.server === server && !tool.readOnly && (names.includes("*") || names.includes(tool.name)),
	);
	const allow = () => {
		for (const {name, fingerprint} of meant) allowForEver({server, tool: name, fingerprint});
		toast(t("allowedNow"));
	};
	return h("li", noteText(note), code === "no_consent" && meant.length > 0 && button(t("allowNow"), allow));
}

/** @param {Tool} tool */
function toolRow(tool) {
	const {server, name} = tool;
	return switchRow(
		unchanged(`tool ${server} ${name}`, [tool], () => toolCard(tool)),
		name,
		["off", {server, tool: name}],
	);
}

/** @param {Server} server @param {Tool[]} tools @param {Prompt[]} prompts */
function serverBox(server, tools, prompts) {
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
		isUntrusted ? consentBox(server) : h("p.bad", visible(failureText(server))),
		server.signIn && signInRow(server),
		notes.length > 0 && h("ul.notes", notes),
		tools.map(toolRow),
		prompts.map(promptRow),
	);
	const manage = async () => (await import("./server-page.js")).showServer(server);
	header.append(
		iconButton("edit", manage, t("manageServer", {name})),
		makeSwitch(box, name, ["off", {server: name, tool: ""}]),
	);
	return box;
}

/** Where mcp.json is broken, with its line. @param {Note} fault */
function faultBox({code, params, text}) {
	const [line, mark] = [textOf(params.excerpt ?? ""), Number(params.mark)];
	const [before, here, after] = [line.slice(0, mark), line[mark] ?? " ", line.slice(mark + 1)].map(visible);
	const shown = h("code", `${params.line} │ `, before, h("mark", here), after);
	const said = t("configBroken", {error: failureText({code, params, detail: text})});
	return h("section.server.fault", h("p.bad", visible(said)), line.trim() && h("pre", shown));
}

/** @param {HTMLElement} box @param {() => void} onswitch something was switched on or off */
export function drawServers(box, onswitch) {
	const tokens = h("p.quiet", attr({role: "status"}), tokensText(status));
	const add = button(t("addServer"), async () => (await import("./server-editor.js")).addServer());
	const none = status.servers.length ? "" : h("p.quiet", t("noServers"));
	const servers = status.servers.map(server => {
		/** @param {{server: string}} of */
		const isOwn = of => of.server === server.name;
		const [tools, prompts] = [status.tools.filter(isOwn), status.prompts.filter(isOwn)];
		const off = [...listedTools("off"), ...listedTools("offPrompts")].filter(isOwn);
		const facts = [server, tools, prompts, off];
		return unchanged(`server ${server.name}`, facts, () => serverBox(server, tools, prompts));
	});
	const fault = status.config ? [faultBox(status.config)] : [];
	/** @type {Element[]} */
	const shown = [...fault, tokens, h(".row", add), ...servers, ...(none ? [none] : [])];
	refill(box, shown);
	box.onchange = ({target}) => {
		if (!(target instanceof HTMLInputElement) || target.role !== "switch") return;
		tokens.textContent = tokensText(status);
		drawHealth();
		onswitch();
	};
}
