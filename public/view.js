// A conversation on the screen: questions, answers with their cards, and the notes about how an answer ended.
import { Card } from "./cards.js";
import { button, h, icon, iconButton, isEnter } from "./dom.js";
import { t } from "./i18n.js";
import { renderProse } from "./prose.js";
import { stateOf } from "./turn.js";

const LONG_QUESTION = 1400; // characters
const LONG_OLD_ANSWER = 6000;

const textOf = ({ message }) => (typeof message.content === "string" ? message.content : "");

function fold(body) {
  const toggle = button(t("more"), () => {
    const folded = body.classList.toggle("folded");
    toggle.textContent = t(folded ? "more" : "less");
    toggle.ariaExpanded = !folded;
  }, ".link");
  body.classList.add("folded");
  toggle.ariaExpanded = false;
  body.after(toggle);
}

export class View {
  root = h("ol.log");
  live = false; // a turn is running
  #cards = new Map();
  #answer = null;
  #prose = null;
  #note = h("li.turn");
  #dots = h(".dots", { ariaHidden: "true" }, h("i"), h("i"), h("i"));

  /** `act`: what buttons do (`app.js`). */
  constructor(item, act) {
    Object.assign(this, { item, act });
    this.render();
  }

  /** Build everything anew from the conversation. */
  render() {
    this.#cards.clear();
    this.#answer = this.#prose = null;
    this.root.replaceChildren();
    const { entries } = this.item;
    const newest = entries.findLastIndex(({ message }) => message.role === "user");
    entries.forEach((entry, index) => {
      if (entry.message.role === "user") this.question(entry);
      else if (entry.message.role === "assistant") this.#stored(entry, index < newest);
    });
    this.finish();
  }

  question(entry) {
    this.finish();
    this.#answer = null;
    const text = textOf(entry);
    const body = h(".bubble", text);
    const acts = h(".acts", iconButton("edit", t("edit"), () => this.#edit(turn, entry)), iconButton("copy", t("copy"), () => this.act.copy(text)));
    const turn = h("li.turn.mine", { ariaLabel: t("you") }, body, acts);
    if (text.length > LONG_QUESTION || text.split("\n").length > 18) fold(body);
    this.root.append(turn);
  }

  #stored(entry, old) {
    const text = textOf(entry);
    if (entry.html) this.html(entry.html);
    else if (text) this.text(text);
    if (old && text.length > LONG_OLD_ANSWER) fold(this.#prose);
    this.closeProse();
    for (const { id, function: { name: tool, arguments: args } = {} } of entry.message.tool_calls ?? []) {
      this.item.calls[id] ??= { server: "", tool, args, readOnly: true };
      this.card(id);
    }
  }

  #edit(turn, entry) {
    const area = h("textarea", { value: textOf(entry), rows: 3, ariaLabel: t("edit") });
    const before = [...turn.childNodes];
    const cancel = () => turn.replaceChildren(...before);
    const ask = () => area.value.trim() && this.act.edit(this.item.entries.indexOf(entry), area.value.trim());
    area.onkeydown = (event) => {
      if (event.key === "Escape") cancel();
      if (!isEnter(event)) return;
      event.preventDefault();
      ask();
    };
    turn.replaceChildren(h(".editor", area, h(".row", button(t("askAgain"), ask, ".primary"), button(t("cancel"), cancel))));
    area.focus();
  }

  #parts() {
    if (!this.#answer) this.root.append((this.#answer = h("li.turn.answer", { ariaLabel: t("assistant") })));
    return this.#answer;
  }

  #open() {
    this.#dots.remove();
    if (!this.#prose) this.#parts().append((this.#prose = h(".prose")));
    return this.#prose;
  }

  closeProse() {
    this.#prose = null;
  }

  /** Plain text, until its first rendered form is there. */
  text(whole, rendered) {
    if (!rendered) this.#open().textContent = whole;
  }

  html(html) {
    renderProse(this.#open(), html);
  }

  card(id) {
    if (!this.#cards.has(id)) {
      const card = new Card(id, () => [this.item.calls[id], stateOf(this.item, id, this.live)], this.act);
      this.closeProse();
      this.#cards.set(id, card);
      this.#parts().append(card.root);
    }
    this.#cards.get(id).update();
    if (this.live) this.#parts().append(this.#dots);
  }

  cardOf = (id) => this.#cards.get(id);

  begin() {
    this.live = true;
    this.note();
    this.#parts().querySelector(":scope > .acts")?.remove();
    this.#parts().append(this.#dots);
  }

  /** The answer is over, for whatever reason: cards settle, and it can be copied or asked for again. */
  finish() {
    this.live = false;
    this.#dots.remove();
    this.closeProse();
    for (const card of this.#cards.values()) card.update();
    const answer = this.#answer;
    if (!answer || answer.querySelector(":scope > .acts")) return;
    if (answer.firstChild) return answer.append(this.#acts(answer));
    answer.remove();
    this.#answer = null;
  }

  #acts(answer) {
    const again = iconButton("again", t("again"), () => this.act.regenerate());
    again.classList.add("again");
    return h(".acts", iconButton("copy", t("copy"), () => this.act.copy(this.#plain(answer))), again);
  }

  #plain = (answer) => [...answer.querySelectorAll(":scope > .prose")].map((part) => part.innerText).join("\n\n");

  /** The newest answer's text, for a screen reader. */
  spoken = () => (this.#answer ? this.#plain(this.#answer).slice(0, 400) : "");

  /** Say how the answer ended, with the button that leads on; nothing to say clears it. */
  note(text, { error, label, action } = {}) {
    this.#note.remove();
    if (!text) return;
    const why = error && [h("strong", t("errorTitle")), h("p", text), h("p.quiet", t("errorHint"))];
    const box = h(error ? ".note.error" : ".note", { role: error ? "alert" : "note" }, icon(error ? "alert" : "wait"), h("", why || text), label && button(label, action));
    this.#note.replaceChildren(box);
    this.root.append(this.#note);
  }
}
