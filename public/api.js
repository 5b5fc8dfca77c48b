// The page's only way to the back end: JSON requests, and server-sent events read from a fetch.

export class ApiError extends Error {
  constructor(detail, status) {
    super(detail);
    this.status = status;
  }
}

async function send(path, body, signal) {
  const options = { signal, cache: "no-store" };
  if (body !== undefined) {
    options.method = "POST";
    options.headers = { "content-type": "application/json" };
    options.body = JSON.stringify(body);
  }
  const response = await fetch(path, options);
  if (!response.ok) throw new ApiError(await detailOf(response), response.status);
  return response;
}

async function detailOf(response) {
  const text = await response.text();
  try {
    const { detail } = JSON.parse(text);
    return typeof detail === "string" ? detail : JSON.stringify(detail);
  } catch {
    return `HTTP ${response.status} ${text.slice(0, 200)}`;
  }
}

export const getStatus = async () => (await send("/api/status")).json();
export const getTools = async () => (await (await send("/api/tools")).json()).tools;
export const reconnect = (server) => send(`/api/servers/${encodeURIComponent(server)}/reconnect`, {});

/** Run a tool by hand: `{result: text, isError}`; throws ApiError when its server cannot be reached. */
export const callTool = async (server, name, args) => (await send("/api/call-tool", { server, name, args })).json();

/** Yield `{event, data}` of one chat turn as they come. */
export async function* chatEvents(body, signal) {
  const response = await send("/api/chat/stream", body, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parser = new EventParser();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      yield* parser.feed(part.value);
    }
  } finally {
    reader.cancel().catch(() => {}); // already broken or aborted: nothing is left to end
  }
}

/** Server-sent events from text that may be cut anywhere (WHATWG HTML, section 9.2.6). */
export class EventParser {
  #rest = "";
  #event = "";
  #data = [];

  *feed(text) {
    this.#rest += text;
    let start = 0;
    // A carriage return at the very end may be the first half of CRLF: it waits for the next part.
    for (const end of this.#rest.matchAll(/\r\n|\n|\r(?!$)/g)) {
      const complete = this.#line(this.#rest.slice(start, end.index));
      start = end.index + end[0].length;
      if (complete) yield complete;
    }
    this.#rest = this.#rest.slice(start);
  }

  #line(line) {
    if (line === "") return this.#dispatch();
    const [, field, value] = /^([^:]*)(?:: ?)?(.*)$/s.exec(line);
    if (field === "event") this.#event = value;
    if (field === "data") this.#data.push(value);
    return null;
  }

  #dispatch() {
    const [event, text] = [this.#event, this.#data.join("\n")];
    this.#event = "";
    this.#data = [];
    return text ? { event, data: JSON.parse(text) } : null;
  }
}
