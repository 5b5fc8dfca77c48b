// A tool call as a card: who, what, how long, folded arguments and result, and what a person must decide.
import { json, show } from "./data.js";
import { h, icon } from "./dom.js";
import { number, t } from "./i18n.js";
import { fillConfirm, fillReceipt, fillUnknown, orderOf } from "./purchase.js";

const ICONS = { running: "spin", waiting: "wait", done: "check", unknown: "alert" };

function progressBar({ progress, total, message }) {
  const bar = h("progress", { ariaLabel: t("running"), max: total ?? 1 });
  if (total) bar.value = progress;
  return h("span.progress", bar, message ?? "");
}

function summaryOf(call, state) {
  return [
    h("span.state-icon", icon(ICONS[state] ?? "x")),
    h("span.card-title", call.title || call.tool),
    h("code", `${call.server} · ${call.tool}`),
    h("span.card-state", t(state) + (call.ms === undefined ? "" : ` · ${number(call.ms)} ms`)),
    h("span.fold", icon("fold")),
    call.progress ? progressBar(call.progress) : "",
  ];
}

/** `look()` answers `[call, state]`; `act` carries decisions out. */
export class Card {
  #shown = "";
  #body = h(".card-body");
  #summary = h("summary");
  #slot = h(".slot", { role: "group", hidden: true });

  constructor(id, look, act) {
    Object.assign(this, { id, look, act });
    this.details = h("details.card", { ontoggle: () => this.#fill() }, this.#summary, this.#body);
    this.root = h(".tool", this.details, this.#slot);
    this.#slot.addEventListener("keydown", ({ key }) => key === "Escape" && look()[1] === "waiting" && act.decide(id, false));
  }

  update() {
    const [call, state] = this.look();
    this.#summary.replaceChildren(...summaryOf(call, state));
    if (state === this.#shown) return;
    this.root.dataset.state = this.#shown = state;
    if (state === "failed") this.details.open = true;
    this.#body.replaceChildren();
    this.#fill();
    this.#decide(call, state);
  }

  // Filled when opened: five hundred folded cards cost nothing.
  #fill() {
    if (!this.details.open || this.#body.firstChild) return;
    const [{ args, result }] = this.look();
    this.#body.append(h("h4", t("args")), json(args ?? {}));
    if (result !== undefined) this.#body.append(h("h4", t("result")), show(result));
  }

  #decide(call, state) {
    const slot = this.#slot;
    const order = state === "done" && !call.readOnly && orderOf(call.result);
    slot.hidden = !order && state !== "waiting" && state !== "unknown";
    slot.className = `slot ${state}`;
    slot.replaceChildren();
    if (order) fillReceipt(slot, call, order, this.act.save);
    if (state === "unknown") fillUnknown(slot, call, call.result === undefined && this.act.resume);
    if (state === "waiting") fillConfirm(slot, call, (...answer) => this.act.decide(this.id, ...answer)).then(() => this.act.asked(this));
  }

  /** Hand the keyboard to the decision. */
  focus() {
    this.#slot.querySelector(".primary")?.focus({ preventScroll: true });
  }

  /** While other calls of the same round still wait for their answer. */
  chosen() {
    this.#slot.replaceChildren(h("p.quiet", t("decided")));
  }
}
