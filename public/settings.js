// The two small windows of the header: settings, and what is known about the model.
import { $, button, download, h } from "./dom.js";
import { lang, t } from "./i18n.js";
import { asMarkdown, titleOf } from "./sidebar.js";
import { settings } from "./store.js";
import { world } from "./world.js";

const ENV = "OPENAI_API_KEY=sk-…\nOPENAI_API_BASE=https://api.deepseek.com\nLLM_MODEL=deepseek-chat";

function choice(name, chosen, options, onchange) {
  const radios = options.map(([value, text]) => {
    const input = h("input", { type: "radio", name, value, checked: value === chosen, onchange: () => onchange(value) });
    return h("label", {}, input, h("span", {}, text));
  });
  return h("fieldset", { class: "choice" }, h("legend", {}, t(name)), h("div", {}, radios));
}

function setTheme(value) {
  settings.set("theme", value);
  if (value) document.documentElement.dataset.theme = value;
  else delete document.documentElement.dataset.theme;
}

function allowedTools(redraw) {
  const names = settings.always();
  if (!names.length) return h("p", { class: "quiet" }, t("allowedNone"));
  const takeBack = (name) => () => (settings.setAlways(name, false), redraw());
  return h("ul", { class: "plain" }, names.map((name) => h("li", {}, h("code", {}, name), button(t("takeBack"), takeBack(name)))));
}

function save(item, kind) {
  const name = titleOf(item).replace(/[^\p{L}\p{N} _-]/gu, "").slice(0, 60) || "conversation";
  if (kind === "md") download(`${name}.md`, "text/markdown", asMarkdown(item));
  else download(`${name}.json`, "application/json", JSON.stringify(item, null, 2));
}

/** `item()` is the open conversation, `relabel()` redraws the page in the newly chosen language. */
export function drawSettings(item, relabel) {
  const redraw = () => drawSettings(item, relabel);
  const setLang = (value) => (settings.set("lang", value), relabel());
  $("settings").replaceChildren(
    choice("language", lang(), [["zh", "中文"], ["en", "English"]], setLang),
    choice("theme", settings.get("theme") ?? "", [["", t("auto")], ["light", t("light")], ["dark", t("dark")]], setTheme),
    h("section", {}, h("h2", {}, t("allowed")), allowedTools(redraw)),
    h("section", {}, h("h2", {}, t("exportAs")), h("div", { class: "row" }, button("Markdown", () => save(item(), "md")), button("JSON", () => save(item(), "json")))),
  );
}

export function demoNote() {
  return [h("strong", {}, t("demoTitle")), h("p", {}, t("demoHow")), h("pre", { tabindex: "0" }, ENV)];
}

export function drawModelNote() {
  const { demo, name } = world.model;
  $("model-note").replaceChildren(...(demo ? demoNote() : [h("strong", {}, `${t("modelTitle")}: ${name}`), h("p", {}, t("modelHow"))]));
}
