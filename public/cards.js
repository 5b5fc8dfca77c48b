// A tool call as a card: who, what, how long, folded arguments and result, and what a person must decide.
import { json, parse, show } from "./data.js";
import { h, icon } from "./dom.js";
import { number, t } from "./i18n.js";
import { fillConfirm, fillReceipt, fillUnknown, orderOf } from "./purchase.js";

const ICONS = { running: "spin", waiting: "wait", done: "check", failed: "x", refused: "x", unknown: "alert", halted: "x" };

export class Card {
  #shown = "";
  #body = h("div", { class: "card-body" });
  #summary = h("summary", {});
  #slot = h("section", { class: "slot", hidden: true });
  #filled = false;

  /** `look()` answers `{call, state}`; `act` carries the decisions out. */
  constructor(id, look, act) {
    Object.assign(this, { id, look, act });
    this.details = h("details", { class: "card", ontoggle: () => this.#fill() }, this.#summary, this.#body);
    this.root = h("div", { class: "tool" }, this.details, this.#slot);
    this.#slot.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.look().state === "waiting") this.act.decide(this.id, false);
    });
  }

  update() {
    const { call, state } = this.look();
    this.#summarise(call, state);
    if (state === this.#shown) return;
    this.#shown = state;
    this.root.dataset.state = state;
    this.#filled = false;
    if (state === "failed") this.details.open = true;
    this.#fill();
    this.#decide(call, state);
  }

  #summarise(call, state) {
    const { progress } = call;
    const ms = call.ms === undefined ? "" : ` · ${number(Math.round(call.ms))} ms`;
    this.#summary.replaceChildren(
      h("span", { class: "state-icon" }, icon(ICONS[state])),
      h("span", { class: "card-title" }, call.title || call.tool),
      h("code", {}, `${call.server} · ${call.tool}`),
      h("span", { class: "card-state" }, t(state) + ms),
      h("span", { class: "fold" }, icon("fold")),
      progress ? this.#progress(progress) : "",
    );
  }

  #progress({ progress, total, message }) {
    const bar = h("progress", { max: total || undefined, "aria-label": t("running") });
    if (total) bar.value = progress;
    return h("span", { class: "progress" }, bar, message ? h("span", {}, message) : null);
  }

  // Filled when opened: five hundred folded cards cost nothing.
  #fill() {
    if (!this.details.open || this.#filled) return;
    this.#filled = true;
    const { call } = this.look();
    const args = typeof call.args === "string" ? (parse(call.args) ?? call.args) : call.args;
    const none = !args || (typeof args === "object" && !Object.keys(args).length);
    this.#body.replaceChildren(
      h("h4", {}, t("args")),
      none ? h("p", { class: "quiet" }, t("noArgs")) : json(args),
      call.result === undefined ? "" : h("h4", {}, t("result")),
      call.result === undefined ? "" : show(call.result),
    );
  }

  #decide(call, state) {
    const slot = this.#slot;
    const order = state === "done" && !call.readOnly ? orderOf(call.result) : null;
    slot.hidden = !(order || state === "waiting" || state === "unknown");
    slot.className = `slot ${order ? "receipt" : state}`;
    slot.replaceChildren();
    if (order) fillReceipt(slot, call, order, this.act.save);
    if (state === "unknown") fillUnknown(slot, call, call.result === undefined ? this.act.resume : null);
    if (state === "waiting") {
      slot.setAttribute("role", "group");
      fillConfirm(slot, call, (yes, always) => this.act.decide(this.id, yes, always)).then(() => this.act.asked(this.id));
    }
  }

  /** Hand the keyboard to the decision. */
  focus() {
    this.#slot.querySelector("button.primary")?.focus({ preventScroll: true });
  }

  /** While other calls of the same round still wait for their answer. */
  chosen() {
    this.#slot.replaceChildren(h("p", { class: "quiet" }, t("decided")));
  }
}
