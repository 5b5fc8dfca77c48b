// The two small windows of the head: settings, and what is known about the model.
import { $, button, choice, download, h } from "./dom.js";
import { lang, t } from "./i18n.js";
import { asMarkdown, titleOf } from "./sidebar.js";
import { always, set, setAlways, settings } from "./store.js";
import { world } from "./world.js";

const ENV = "OPENAI_API_KEY=sk-…\nOPENAI_API_BASE=https://api.deepseek.com\nLLM_MODEL=deepseek-chat";

function setTheme(value) {
  set("theme", value);
  document.documentElement.dataset.theme = value;
}

const section = (title, ...children) => h("section", h("h2", t(title)), children);

/** `item()` is the open conversation; `speak(language)` redraws the page in another one. */
export function drawSettings(item, speak) {
  const save = (ending, text) => () => download(`${titleOf(item()).replace(/[^\p{L}\p{N}]+/gu, "-")}.${ending}`, "text/plain", text());
  const takeBack = (name) => () => (setAlways(name, false), drawSettings(item, speak));
  const allowed = always().map((name) => h("li", h("code", name), button(t("takeBack"), takeBack(name))));
  $("settings").replaceChildren(
    section("language", choice(t("language"), lang(), [["zh", "中文"], ["en", "English"]], speak)),
    section("theme", choice(t("theme"), settings.theme ?? "", [["", t("auto")], ["light", t("light")], ["dark", t("dark")]], setTheme)),
    section("allowed", allowed.length ? h("ul.plain", allowed) : h("p.quiet", t("allowedNone"))),
    section("exportAs", h(".row", button("Markdown", save("md", () => asMarkdown(item()))), button("JSON", save("json", () => JSON.stringify(item(), null, 2))))),
  );
}

export const demoNote = () => [h("strong", t("demoTitle")), h("p", t("demoHow")), h("pre", { tabIndex: 0 }, ENV)];

export function drawModelNote() {
  const { demo, name } = world.model;
  $("model-note").replaceChildren(...(demo ? demoNote() : [h("strong", `${t("modelTitle")} ${name}`), h("p", t("modelHow"))]));
}
