// One answer: posts the conversation, follows the stream, and keeps every message the moment it is complete.
import { chatEvents } from "./api.js";
import { lang, t } from "./i18n.js";
import { settings } from "./store.js";

/** Ids of the newest assistant message's calls that have no result yet. */
export function openCalls(item) {
  const last = item.entries.findLastIndex((entry) => entry.message.role !== "tool");
  const asked = item.entries[last]?.message.tool_calls ?? [];
  const answered = new Set(item.entries.slice(last + 1).map((entry) => entry.message.tool_call_id));
  return asked.map((call) => call.id).filter((id) => !answered.has(id));
}

/** Whether a call may have changed something: it was let through, and did not plainly fail. */
function mayHaveWritten(item, id) {
  const call = item.calls[id];
  if (!call || call.readOnly || item.approvals[id] === false) return false;
  return call.result === undefined ? item.approvals[id] === true || call.auto : !call.isError || call.unknown;
}

export function stateOf(item, id, live) {
  const call = item.calls[id];
  const choice = item.approvals[id];
  if (choice === false) return "refused";
  if (call.result !== undefined) return call.unknown ? "unknown" : call.isError ? "failed" : "done";
  if (call.waiting && choice === undefined) return "waiting";
  if (live) return "running";
  return mayHaveWritten(item, id) ? "unknown" : "halted";
}

/**
 * How many entries must stay when everything from `from` on is asked anew: up to the last step that may have changed
 * something, with all results of its round, so that the model knows of it and nothing is bought twice.
 */
export function mustKeep(item, from) {
  let keep = from;
  item.entries.forEach(({ message }, index) => {
    if (index < from || message.role !== "assistant") return;
    if (!message.tool_calls?.some((call) => mayHaveWritten(item, call.id))) return;
    keep = index + 1;
    while (item.entries[keep]?.message.role === "tool") keep += 1;
  });
  return keep;
}

export class Turn {
  #abort = new AbortController();
  #text = "";
  #html = "";
  #reason = "lost";

  /** `view` shows what comes; `save` writes the conversation. */
  constructor(item, view, save) {
    Object.assign(this, { item, view, save });
  }

  stop() {
    this.#abort.abort();
  }

  /** Follow the stream to its end; answers `stop`, `approval`, `rounds`, `error`, `lost` or `stopped`, and the error. */
  async run() {
    const { item } = this;
    const always = settings.always();
    const body = {
      messages: item.entries.map((entry) => entry.message),
      approvals: Object.fromEntries(openCalls(item).filter((id) => id in item.approvals).map((id) => [id, item.approvals[id]])),
      autoApprove: always,
      locale: lang(),
    };
    let detail = "";
    try {
      for await (const { event, data } of chatEvents(body, this.#abort.signal)) {
        if (event === "error") detail = data.detail;
        else this.#take(event, data, always);
      }
    } catch (error) {
      this.#reason = "error";
      detail = error instanceof TypeError ? t("offline") : error.message;
    }
    if (this.#abort.signal.aborted) this.#keepPartial();
    return { reason: this.#abort.signal.aborted ? "stopped" : detail ? "error" : this.#reason, detail };
  }

  #take(event, data, always) {
    const { view } = this;
    if (event === "text") view.text((this.#text += data.delta), this.#html !== "");
    else if (event === "html") view.html((this.#html = data.html));
    else if (event === "message") this.#message(data.message);
    else if (event === "done") this.#reason = data.reason;
    else if (data.id) this.#call(event, data, always);
  }

  #call(event, { id, ...data }, always) {
    const { item, view } = this;
    if (event === "tool_call") {
      const auto = !data.readOnly && always.includes(`${data.server}/${data.tool}`);
      item.calls[id] = { ...item.calls[id], ...data, auto, waiting: false };
    } else if (event === "approval") item.calls[id].waiting = true;
    else if (event === "tool_progress") item.calls[id].progress = data;
    else if (event === "tool_result") Object.assign(item.calls[id], data, { waiting: false, progress: undefined });
    if (event !== "tool_progress") this.save();
    view.card(id);
  }

  #message(message) {
    this.item.entries.push(message.role === "assistant" ? { message, html: this.#html } : { message });
    if (message.role === "assistant") {
      this.#text = this.#html = "";
      this.view.closeProse();
    }
    this.save();
  }

  /** What was read before Stop was pressed stays part of the conversation. */
  #keepPartial() {
    if (!this.#text) return;
    this.item.entries.push({ message: { role: "assistant", content: this.#text }, html: this.#html });
    this.save();
  }
}
