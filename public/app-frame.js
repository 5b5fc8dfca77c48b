// What stands between an MCP App and its host, on an origin of its own (the specification's sandbox proxy): it shows the
// app's document in a frame that has no origin, and passes messages on, so many at a time and none too large.
const PER_SECOND = 60;
const AT_ONCE = 240;
const MAX_CHARS = 2 ** 20;
// A link to a place in the document leads there, and not to the address of this frame.
const BASE = '<base href="about:srcdoc">';
const BEFORE_HEAD = /^(\s|<!--.*?-->|<\?[^>]*>)*(<!doctype[^>]*>)?/is;
const host = document.getElementById("page")?.dataset.page ?? "";

/** @type {HTMLIFrameElement | null} */
let frame = null;
let [left, at] = [AT_ONCE, performance.now()];

/** @param {string} method @param {object} params */
function tell(method, params) {
	parent.postMessage({jsonrpc: "2.0", method: `ui/notifications/sandbox-${method}`, params}, host);
}

/** The app is over, since it has done what none may. @param {string} reason */
function end(reason) {
	frame?.remove();
	frame = null;
	tell("ended", {reason});
}

/** @param {string} html */
function show(html) {
	frame?.remove();
	let loads = 0;
	frame = document.createElement("iframe");
	frame.setAttribute("sandbox", "allow-scripts allow-forms");
	frame.title = "app";
	frame.onload = () => {
		loads += 1;
		if (loads > 1) end("left"); // it has gone elsewhere, or has tried to
	};
	// Where a server names one, the app sets its own, and the first counts.
	const hasBase = new URLSearchParams(location.search).has("base");
	frame.srcdoc = hasBase ? html : html.replace(BEFORE_HEAD, `$&${BASE}`);
	document.body.append(frame);
}

/** Whether one more message may pass. */
function mayPass() {
	const now = performance.now();
	left = Math.min(AT_ONCE, left + ((now - at) * PER_SECOND) / 1000);
	at = now;
	left -= 1;
	return left >= 0;
}

/** Of what an app says only what JSON holds, and nothing in the name of this frame. @param {any} data */
function passOn(data) {
	if (!mayPass()) return end("flood");
	let text = "";
	try {
		text = JSON.stringify(data) ?? "";
	} catch {}
	if (text.length > MAX_CHARS) return end("large");
	if (!text) return;
	const said = JSON.parse(text);
	const {method} = Object(said);
	if (typeof method !== "string" || !method.startsWith("ui/notifications/sandbox-"))
		parent.postMessage(said, host);
}

addEventListener("message", ({source, origin, data}) => {
	if (source === parent && origin === host) {
		if (data?.method === "ui/notifications/sandbox-resource-ready") show(String(data.params?.html));
		else frame?.contentWindow?.postMessage(data, "*"); // a document without an origin has no other address
	} else if (frame && source === frame.contentWindow) passOn(data);
});

tell("proxy-ready", {});
