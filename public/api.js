// The page's only way to the back end: JSON requests, and server-sent events read from a fetch.

async function send(path, body, signal) {
	const post = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal };
	const response = await fetch(path, body ? post : {});
	if (!response.ok) throw new Error(await detailOf(response));
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

export const getJson = async (path) => (await send(path)).json();
export const reconnect = (server) => send(`/api/servers/${encodeURIComponent(server)}/reconnect`, {});

/** Run a tool by hand: `{result: text, isError}`; throws when its server cannot be reached. */
export const callTool = async (server, name, args) => (await send("/api/call-tool", { server, name, args })).json();

/** Yield `{event, data}` of one chat turn as they come. */
export async function* chatEvents(body, signal) {
	const response = await send("/api/chat/stream", body, signal);
	const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
	const feed = eventParser();
	for (let part = await reader.read(); !part.done; part = await reader.read()) yield* feed(part.value);
}

/** Server-sent events from text that may be cut anywhere (WHATWG HTML, section 9.2.6). */
export function eventParser() {
	let rest = "";
	let event = "";
	let data = [];

	function read(line) {
		if (line) {
			const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
			if (field === "event") event = value;
			if (field === "data") data.push(value);
			return null;
		}
		const whole = data.length ? { event, data: JSON.parse(data.join("\n")) } : null;
		event = "";
		data = [];
		return whole;
	}

	return function* feed(text) {
		rest += text;
		let start = 0;
		// A carriage return at the very end may be the first half of CRLF: it waits for the next part.
		for (const end of rest.matchAll(/\r\n|\n|\r(?!$)/g)) {
			const whole = read(rest.slice(start, end.index));
			start = end.index + end[0].length;
			if (whole) yield whole;
		}
		rest = rest.slice(start);
	};
}
