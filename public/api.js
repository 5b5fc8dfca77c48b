// The page's only way to the back end.
import {parse} from "./data.js";

async function send(path, body, signal) {
	const post = {method: "POST", headers: {"content-type": "application/json"}, body: JSON.stringify(body), signal};
	const response = await fetch(path, body ? post : {signal});
	if (!response.ok) throw new Error(await detailOf(response));
	return response;
}

async function detailOf(response) {
	const text = await response.text();
	const detail = parse(text)?.detail ?? `HTTP ${response.status} ${text.slice(0, 200)}`;
	return typeof detail === "string" ? detail : JSON.stringify(detail);
}

export const reconnect = server => send(`/api/servers/${encodeURIComponent(server)}/reconnect`, {});

export const callTool = async (server, name, args) => (await send("/api/call-tool", {server, name, args})).json();

export const promptText = async ({server, name}, args) => (await (await send("/api/get-prompt", {server, name, args})).json()).text;

// The network may cut events anywhere.
export async function* events(path, body, signal) {
	const response = await send(path, body, signal);
	const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = "";
	for (let part = await reader.read(); !part.done; part = await reader.read()) {
		const blocks = (rest + part.value).split(/\r?\n\r?\n/);
		rest = blocks.pop();
		for (const block of blocks) {
			const field = name => block.match(new RegExp(`^${name}: (.*)`, "m"))?.[1];
			if (field("data")) yield {event: field("event"), data: JSON.parse(field("data"))};
		}
	}
}
