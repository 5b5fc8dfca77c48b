// The servers with their state, and every tool with its description, schemas and a form to run it by hand.
import { callTool, reconnect } from "./api.js";
import { json, show } from "./data.js";
import { button, h, icon } from "./dom.js";
import { t } from "./i18n.js";
import { refresh, world } from "./world.js";

const DEEPEST = 3; // objects nested further are typed as JSON

const schemaOf = (schema, root) => {
  if (schema?.$ref?.startsWith("#/$defs/")) return schemaOf(root.$defs?.[schema.$ref.slice(8)] ?? {}, root);
  const some = (schema?.anyOf ?? schema?.oneOf)?.find((option) => option.type !== "null");
  return some ? { ...schemaOf(some, root), description: schema.description } : (schema ?? {});
};

/** A form field for one property: `{element, read()}`; `read` answers undefined when left empty, and throws on bad JSON. */
function field(name, schema, root, required, depth) {
  const shape = schemaOf(schema, root);
  if (shape.type === "object" && shape.properties && depth < DEEPEST) return group(name, shape, root, depth + 1);
  const input = control(shape);
  const label = h("span", {}, h("code", {}, name), required ? h("b", { "aria-hidden": "true" }, " *") : "", schema.description ? h("small", {}, schema.description) : "");
  if (required) input.setAttribute("aria-required", "true");
  return { element: h("label", { class: "field" }, label, input), read: () => valueOf(name, input.value, shape) };
}

function control({ type, enum: options }) {
  const choices = options ?? (type === "boolean" ? [true, false] : null);
  if (choices) return h("select", {}, ["", ...choices].map((option) => h("option", { value: String(option) }, String(option))));
  if (type === "integer" || type === "number") return h("input", { type: "number", step: type === "integer" ? "1" : "any" });
  if (type === "string") return h("input", { type: "text" });
  return h("textarea", { rows: "2", spellcheck: "false", placeholder: type === "array" ? "[ ]" : "JSON" });
}

function valueOf(name, text, { type, enum: options }) {
  if (text === "") return undefined;
  if (type === "string" || options?.includes(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(t("badJson", { name }));
  }
}

function group(name, shape, root, depth) {
  const required = new Set(shape.required ?? []);
  const fields = Object.entries(shape.properties ?? {}).map(([key, part]) => [key, field(key, part, root, required.has(key), depth)]);
  const element = h("fieldset", {}, name ? h("legend", {}, h("code", {}, name)) : null, fields.map(([, part]) => part.element));
  const read = () => Object.fromEntries(fields.map(([key, part]) => [key, part.read()]).filter(([, value]) => value !== undefined));
  return { element, read };
}

function runForm(tool) {
  const output = h("div", { class: "output", role: "status" });
  const form = group("", { properties: {}, ...tool.input_schema }, tool.input_schema ?? {}, 0);
  const run = async (event) => {
    event.preventDefault();
    try {
      const { result, isError } = await callTool(tool.server, tool.name, form.read());
      output.replaceChildren(isError ? h("p", { class: "bad" }, result) : show(result));
    } catch (error) {
      output.replaceChildren(h("p", { class: "bad" }, error.message));
    }
  };
  const submit = h("button", { type: "submit", class: "btn primary" }, t("run"));
  return h("form", { class: "try", onsubmit: run }, h("h4", {}, t("tryTool")), form.element, submit, output);
}

function toolCard(tool) {
  const body = h("div", { class: "card-body" });
  const fill = () => {
    if (body.childNodes.length) return;
    const schemas = [["inputSchema", tool.input_schema], ["outputSchema", tool.output_schema]].filter(([, schema]) => schema);
    body.append(
      h("p", {}, tool.description ?? ""),
      ...schemas.map(([label, schema]) => h("details", { class: "raw" }, h("summary", {}, t(label)), json(schema))),
      runForm(tool),
    );
  };
  const summary = h(
    "summary",
    {},
    h("span", { class: "card-title" }, tool.title || tool.name),
    h("code", {}, tool.name),
    h("span", { class: `tag ${tool.readOnly ? "" : "warn"}` }, t(tool.readOnly ? "readOnly" : "writes")),
    h("span", { class: "fold" }, icon("fold")),
  );
  return h("details", { class: "card", ontoggle: fill }, summary, body);
}

function serverBox(server) {
  const tools = world.tools.filter((tool) => tool.server === server.name);
  const about = [server.transport, server.protocolVersion, server.url].filter(Boolean).join(" · ");
  const again = async () => {
    await reconnect(server.name).catch(() => {}); // the state that follows says what came of it
    refresh();
  };
  return h(
    "section",
    { class: "server", "data-status": server.status },
    h("header", {}, h("i", { class: "dot" }), h("h2", {}, server.name), h("span", { class: "state" }, t(server.status)), server.status === "down" ? button(t("reconnect"), again) : null),
    h("p", { class: "quiet about" }, about),
    server.error ? h("p", { class: "bad" }, server.error) : null,
    tools.map(toolCard),
  );
}

/** Draws the servers into `box`; called only when something about them changed. */
export function drawTools(box) {
  const boxes = world.servers.map(serverBox);
  box.replaceChildren(...(boxes.length ? boxes : [h("p", { class: "quiet" }, t("noServers"))]));
}
