// The list of conversations: new, search, open, rename, delete with undo.
import { $, h, icon, iconButton, toast } from "./dom.js";
import { t } from "./i18n.js";

export const titleOf = (item) => item.title || t("untitled");

const matches = (item, words) =>
  !words || titleOf(item).toLowerCase().includes(words) ||
  item.entries.some(({ message }) => typeof message.content === "string" && message.content.toLowerCase().includes(words));

export class Sidebar {
  #list = h("ul", { class: "chats" });
  #search = h("input", { type: "search", oninput: () => this.update() });
  #renaming = null;

  /** `act`: open(id), create(), save(item), remove(item), current(). */
  constructor(conversations, act) {
    Object.assign(this, { conversations, act });
  }

  label() {
    this.#search.placeholder = t("search");
    this.#search.setAttribute("aria-label", t("search"));
    const create = h("button", { type: "button", class: "btn new", onclick: () => this.act.create() }, icon("plus"), t("newChat"));
    const brand = h("div", { class: "brand" }, h("img", { src: "/static/icon.svg", alt: "", width: "28", height: "28" }), h("span", {}, t("app")));
    $("side").replaceChildren(brand, create, this.#search, this.#list);
    this.update();
  }

  update() {
    const words = this.#search.value.trim().toLowerCase();
    const items = this.conversations.newest().filter((item) => item.entries.length && matches(item, words));
    this.#list.replaceChildren(...items.map((item) => this.#row(item)));
    if (!items.length && words) this.#list.append(h("li", { class: "quiet" }, t("noMatch")));
    this.#list.querySelector("input")?.select();
  }

  #row(item) {
    if (item.id === this.#renaming) return h("li", {}, this.#renameField(item));
    const current = item.id === this.act.current();
    return h(
      "li",
      { class: current ? "current" : "" },
      h("button", { type: "button", class: "open", "aria-current": current ? "true" : null, onclick: () => this.act.open(item.id) }, titleOf(item)),
      iconButton("edit", `${t("rename")}: ${titleOf(item)}`, () => ((this.#renaming = item.id), this.update())),
      iconButton("trash", `${t("remove")}: ${titleOf(item)}`, () => this.#remove(item)),
    );
  }

  #renameField(item) {
    const end = (keep) => {
      if (this.#renaming === null) return;
      this.#renaming = null;
      if (keep && field.value.trim()) item.title = field.value.trim().slice(0, 120);
      this.act.save(item);
    };
    const field = h("input", { value: item.title, "aria-label": t("rename"), onblur: () => end(true) });
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing && event.keyCode !== 229) end(true);
      if (event.key === "Escape") end(false);
    });
    return field;
  }

  #remove(item) {
    this.act.remove(item);
    toast(t("removed"), t("undo"), () => this.act.save(item));
  }
}

/** One conversation for a person: questions, answers, and the calls in between. */
export function asMarkdown(item) {
  const parts = [`# ${titleOf(item)}`];
  for (const { message } of item.entries) {
    if (message.role === "tool") continue;
    if (message.content) parts.push(`## ${t(message.role === "user" ? "you" : "assistant")}`, String(message.content));
    for (const { id } of message.tool_calls ?? []) parts.push(callAsMarkdown(item.calls[id]));
  }
  return `${parts.filter(Boolean).join("\n\n")}\n`;
}

function callAsMarkdown(call) {
  if (!call) return "";
  const fence = (text) => `\`\`\`\`json\n${text}\n\`\`\`\``;
  return [`**${call.server} · ${call.tool}**`, fence(JSON.stringify(call.args)), call.result === undefined ? "" : fence(call.result)].filter(Boolean).join("\n\n");
}
