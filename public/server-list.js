// The panel's second tab: the servers with their state and tools. And the dialog for a prompt's arguments.
import {callTool, promptText, reconnect} from "./backend.js";
import {status} from "./backend-status.js";
import {$, button, h} from "./elements.js";
import {failureText, t} from "./i18n.js";
import {isListed, listedTools, listTool} from "./preferences.js";
import {drawJson, drawResult} from "./result-view.js";
import {schemaForm} from "./schema-form.js";

/** @import {Prompt, Server, Tool} from "./backend-status.js" */

/** @param {Tool} tool */
function runForm({server, name, input_schema: schema}) {
	/** @param {unknown} args */
	const run = async args => {
		const {result, isError, code, params} = await callTool(server, name, args);
		return isError ? h("p.bad", failureText({code, params, detail: result})) : drawResult(result);
	};
	return schemaForm(t("tryTool"), schema, run, t("run"));
}

/**
 * Ask for a prompt's arguments and pass the text that the server makes of them to `use`.
 * @param {Prompt} prompt
 * @param {(text: string) => void} use
 */
export function fillPrompt(prompt, use) {
	const dialog = $("prompt", HTMLDialogElement);
	/** @param {unknown} args */
	const run = async args => {
		const text = await promptText(prompt, args);
		dialog.close();
		use(text); // after closing, which moves the focus
		return "";
	};
	dialog.ariaLabel = prompt.title;
	const cancel = button(t("cancel"), () => dialog.close());
	const form = schemaForm(prompt.description, prompt.input_schema, run, t("takeOver"), cancel);
	dialog.replaceChildren(h("h3", prompt.title), form);
	dialog.showModal();
}

/** A tool only reads because its server says so: the user may want to be asked. @param {Tool} tool */
function askFirstBox({server, name}) {
	const tool = {server, tool: name};
	const checked = isListed(listedTools("askFirst"), tool);
	const box = h("input", {
		type: "checkbox",
		checked,
		onchange: () => listTool("askFirst", tool, box.checked),
	});
	return h("label.check", box, t("askFirst"));
}

/** @param {Tool} tool */
function toolDetails(tool) {
	/** @param {"input_schema" | "output_schema"} key */
	const schema = key => tool[key] && h("details.raw", h("summary", t(key)), drawJson(tool[key]));
	const askFirst = tool.readOnly && askFirstBox(tool);
	return h(
		"",
		h("p", tool.description),
		askFirst,
		schema("input_schema"),
		schema("output_schema"),
		runForm(tool),
	);
}

/** @param {Tool} tool */
function toolCard(tool) {
	const body = h(".card-body");
	const fill = () => body.firstChild || body.append(...toolDetails(tool).childNodes);
	const kind = tool.readOnly ? h("span.tag", t("readOnly")) : h("span.tag.warn", t("writes"));
	const summary = h("summary", h("span.card-title", tool.title || tool.name), h("code", tool.name), kind);
	return h("details.card", {ontoggle: fill}, summary, body);
}

/** @param {Server} server */
function serverBox({name, status: state, transport, protocolVersion, url, error, code, params}) {
	const again = button(t("reconnect"), () => reconnect(name).catch(() => {}));
	return h(
		"section.server",
		{"data-status": state},
		h("header", h("i.dot"), h("h2", name), h("span.quiet", t(state)), state === "down" && again),
		h("p.quiet", [transport, protocolVersion, url].filter(Boolean).join(" · ")),
		h("p.bad", failureText({code, params, detail: error})),
		status.tools.filter(({server}) => server === name).map(toolCard),
	);
}

/** @param {HTMLElement} box */
export function drawServers(box) {
	box.replaceChildren(...status.servers.map(serverBox), status.servers.length ? "" : t("noServers"));
}
