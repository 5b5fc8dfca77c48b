// The servers with their state, and what is filled in by hand: a tool with its schemas, a prompt's arguments.
import {callTool, promptText, reconnect} from "./api.js";
import {json, parse, show} from "./data.js";
import {$, button, h} from "./dom.js";
import {t} from "./i18n.js";
import {enlist, listed} from "./store.js";
import {world} from "./world.js";

/** Follow a reference; of alternatives, take the first real one. */
function resolve(schema, root) {
	const target = root.$defs?.[schema.$ref?.split("/").pop()] ?? schema.anyOf?.find(({type}) => type !== "null");
	return target ? {...schema, ...resolve(target, root), anyOf: null} : schema;
}

function control({type, enum: options = type === "boolean" ? [true, false] : null}) {
	if (options) return h("select", ["", ...options].map(option => h("option", `${option}`)));
	return h("input", {placeholder: type === "array" ? "[ ]" : ""});
}

/** `[element, read]` for one value; `read` throws on bad JSON. */
function field(name, schema, root, required) {
	const shape = resolve(schema, root);
	if (shape.properties) return group(name, shape, root, required);
	const input = control(shape);
	input.required = required;
	const read = () => {
		const value = shape.type === "string" ? input.value : parse(input.value);
		if (input.value && value === undefined) throw new Error(t("badJson", {name}));
		return input.value ? value : undefined;
	};
	return [h("label.field", h("code", name, required && " *"), h("small", schema.description), input), read];
}

function group(name, {properties = {}, required = []}, root, needed) {
	const fields = Object.entries(properties).map(([key, part]) => [key, ...field(key, part, root, needed && required.includes(key))]);
	const read = () => Object.fromEntries(fields.map(([key, , value]) => [key, value()]));
	return [h("fieldset", h("legend", name), fields.map(([, element]) => element)), read];
}

/** A form for a schema; what `run` makes of the values is shown below it. */
function form(title, schema, run, label, ...more) {
	const output = h(".output", {role: "status"});
	const [fields, read] = group("", schema, schema, true);
	const onsubmit = async event => {
		event.preventDefault();
		try {
			output.replaceChildren(await run(read()));
		} catch (error) {
			output.replaceChildren(h("p.bad", error.message));
		}
	};
	return h("form.try", {onsubmit}, h("h4", title), fields, h(".row", h("button.btn.primary", {type: "submit"}, label), more), output);
}

function runForm({server, name, input_schema: schema}) {
	const run = async args => {
		const {result, isError} = await callTool(server, name, args);
		return isError ? h("p.bad", result) : show(result);
	};
	return form(t("tryTool"), schema, run, t("run"));
}

export function fillPrompt(prompt, use) {
	const window = $("prompt");
	const run = async args => {
		const text = await promptText(prompt, args);
		window.close();
		use(text); // last, for the focus
	};
	window.ariaLabel = prompt.title;
	const cancel = button(t("cancel"), () => window.close());
	window.replaceChildren(h("h3", prompt.title), form(prompt.description, prompt.input_schema, run, t("takeOver"), cancel));
	window.showModal();
}

// That it only reads is its server's word: the user decides.
function askFirst({server, name}) {
	const tool = `${server}/${name}`;
	const checked = listed("askFirst").includes(tool);
	const box = h("input", {type: "checkbox", checked, onchange: () => enlist("askFirst", tool, box.checked)});
	return h("label.check", box, t("askFirst"));
}

function toolForm(tool) {
	const schemas = ["input_schema", "output_schema"].filter(key => tool[key]);
	const shown = schemas.map(key => h("details.raw", h("summary", t(key)), json(tool[key])));
	return [h("p", tool.description), tool.readOnly ? askFirst(tool) : "", ...shown, runForm(tool)];
}

function toolCard(tool) {
	const fill = () => body.firstChild || body.append(...toolForm(tool));
	const body = h(".card-body");
	const kind = tool.readOnly ? h("span.tag", t("readOnly")) : h("span.tag.warn", t("writes"));
	const summary = h("summary", h("span.card-title", tool.title || tool.name), h("code", tool.name), kind);
	return h("details.card", {ontoggle: fill}, summary, body);
}

function serverBox({name, status, transport, protocolVersion, url, error}) {
	const again = () => reconnect(name).catch(() => {});
	return h(
		"section.server",
		{"data-status": status},
		h("header", h("i.dot"), h("h2", name), h("span.quiet", t(status)), status === "down" && button(t("reconnect"), again)),
		h("p.quiet", [transport, protocolVersion, url].filter(Boolean).join(" · ")),
		h("p.bad", error),
		world.tools.filter(({server}) => server === name).map(toolCard),
	);
}

export const drawTools = box => box.replaceChildren(...world.servers.map(serverBox), world.servers.length ? "" : t("noServers"));
