// A conversation on the screen: questions, answers with their cards, and the notes about how an answer ended.
import { Card } from "./cards.js";
import { button, h, icon, iconButton } from "./dom.js";
import { t } from "./i18n.js";
import { renderProse } from "./prose.js";
import { stateOf } from "./turn.js";

const FOLD_CHARS = 1400;
const FOLD_LINES = 18;
const FOLD_OLD_ANSWER = 6000;

const isLong = (text) => text.length > FOLD_CHARS || text.split("\n").length > FOLD_LINES;
const textOf = (message) => (typeof message.content === "string" ? message.content : "");

export class View {
  root = h("ol", { class: "log" });
  live = false; // a turn is running
  #cards = new Map();
  #answer = null;
  #prose = null;
  #note = null;

  /** `act`: what buttons do (`app.js`). */
  constructor(item, act) {
    this.item = item;
    this.act = act;
    this.render();
  }

  /** Build everything anew from the conversation. */
  render() {
    this.#cards.clear();
    this.#answer = this.#prose = this.#note = null;
    this.root.replaceChildren();
    const last = this.item.entries.findLastIndex((entry) => entry.message.role === "user");
    this.item.entries.forEach((entry, index) => {
      if (entry.message.role === "user") this.question(entry);
      else if (entry.message.role === "assistant") this.#stored(entry, index < last);
    });
    this.finish();
  }

  question(entry) {
    this.finish();
    this.#answer = null;
    const text = textOf(entry.message);
    const body = h("div", { class: "bubble" }, text);
    const acts = h(
      "div",
      { class: "acts" },
      iconButton("edit", t("edit"), () => this.#edit(turn, entry)),
      iconButton("copy", t("copy"), () => this.act.copy(text)),
    );
    const turn = h("li", { class: "turn mine", "aria-label": t("you") }, body, isLong(text) ? this.#fold(body) : null, acts);
    this.root.append(turn);
  }

  #stored({ message, html }, old) {
    const text = textOf(message);
    if (html) this.html(html);
    else if (text) this.text(text, false);
    if (old && text.length > FOLD_OLD_ANSWER && this.#prose) this.#prose.after(this.#fold(this.#prose));
    this.closeProse();
    for (const call of message.tool_calls ?? []) {
      this.item.calls[call.id] ??= { server: "", tool: call.function?.name ?? "", args: call.function?.arguments, readOnly: true };
      this.card(call.id);
    }
  }

  #fold(body) {
    body.classList.add("folded");
    const toggle = button(t("more"), () => {
      const folded = body.classList.toggle("folded");
      toggle.textContent = t(folded ? "more" : "less");
      toggle.setAttribute("aria-expanded", String(!folded));
    }, "link");
    toggle.setAttribute("aria-expanded", "false");
    return toggle;
  }

  #edit(turn, entry) {
    const area = h("textarea", { value: textOf(entry.message), rows: "3", "aria-label": t("edit") });
    const kept = [...turn.childNodes];
    const cancel = () => (turn.replaceChildren(...kept), turn.querySelector("button").focus());
    const ask = () => area.value.trim() && this.act.edit(this.item.entries.indexOf(entry), area.value.trim());
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") cancel();
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
        event.preventDefault();
        ask();
      }
    });
    turn.replaceChildren(h("div", { class: "editor" }, area, h("div", { class: "row" }, button(t("askAgain"), ask, "primary"), button(t("cancel"), cancel))));
    area.focus();
  }

  #parts() {
    if (!this.#answer) {
      this.#answer = h("li", { class: "turn answer", "aria-label": t("assistant") });
      this.root.append(this.#answer);
    }
    return this.#answer;
  }

  #open() {
    if (!this.#prose) {
      this.#prose = h("div", { class: "prose" });
      this.#parts().append(this.#prose);
    }
    this.#thinking(false);
    return this.#prose;
  }

  closeProse() {
    this.#prose = null;
  }

  /** Plain text until the first rendered form arrives. */
  text(whole, rendered) {
    if (!rendered) this.#open().textContent = whole;
  }

  html(html) {
    renderProse(this.#open(), html);
  }

  card(id) {
    let card = this.#cards.get(id);
    if (!card) {
      this.closeProse();
      const look = () => ({ call: this.item.calls[id], state: stateOf(this.item, id, this.live) });
      card = new Card(id, look, this.act);
      this.#cards.set(id, card);
      this.#parts().append(card.root);
    }
    card.update();
    this.#thinking(this.live && ["done", "failed", "refused"].includes(card.look().state));
    return card;
  }

  cardOf = (id) => this.#cards.get(id);

  begin() {
    this.live = true;
    this.note();
    this.#answer?.querySelector(":scope > .acts")?.remove();
    this.#parts();
    this.#thinking(true);
  }

  #thinking(on) {
    const dots = this.#answer?.querySelector(":scope > .dots");
    if (on && this.#answer) this.#answer.append(dots ?? h("div", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")));
    else dots?.remove();
  }

  /** The answer is over, for whatever reason: cards settle, and it can be copied or asked for again. */
  finish() {
    this.live = false;
    this.#thinking(false);
    this.closeProse();
    for (const card of this.#cards.values()) card.update();
    const answer = this.#answer;
    if (!answer || answer.querySelector(":scope > .acts")) return;
    if (!answer.childNodes.length) return (this.#answer = null), answer.remove();
    const copy = iconButton("copy", t("copy"), () => this.act.copy(this.#plain(answer)));
    const again = iconButton("again", t("again"), () => this.act.regenerate());
    again.classList.add("again");
    answer.append(h("div", { class: "acts" }, copy, again));
  }

  #plain = (answer) => [...answer.querySelectorAll(":scope > .prose")].map((part) => part.innerText).join("\n\n");

  /** The text of the newest answer, for a screen reader. */
  spoken = () => (this.#answer ? this.#plain(this.#answer).slice(0, 400) : "");

  /** Say how the answer ended, with the buttons that lead on; nothing to say clears it. */
  note(kind, title, text, label, action) {
    this.#note?.remove();
    this.#note = null;
    if (!kind) return;
    this.#note = h(
      "div",
      { class: `note ${kind}`, role: kind === "error" ? "alert" : null },
      icon(kind === "error" ? "alert" : "wait"),
      h("div", {}, title ? h("strong", {}, title) : null, h("p", {}, text), kind === "error" ? h("p", { class: "quiet" }, t("errorHint")) : null),
      label ? button(label, action) : null,
    );
    this.root.append(h("li", { class: "turn" }, this.#note));
    this.#note = this.#note.parentElement;
  }
}
