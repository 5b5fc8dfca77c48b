// The servers with their state, and their tools.
import {reconnect} from "./api.js";
import {button, h} from "./dom.js";
import {t} from "./i18n.js";
import {world} from "./world.js";

// The forms come when one is opened: the page starts without them.
export const forms = () => import("./forms.js");

function toolCard(tool) {
	const fill = async () => {
		const {toolForm} = await forms();
		if (!body.firstChild) body.append(...toolForm(tool));
	};
	const body = h(".card-body");
	const kind = tool.readOnly ? h("span.tag", t("readOnly")) : h("span.tag.warn", t("writes"));
	const summary = h("summary", h("span.card-title", tool.title || tool.name), h("code", tool.name), kind);
	return h("details.card", {ontoggle: fill}, summary, body);
}

function serverBox({name, status, transport, protocolVersion, url, error}) {
	const again = () => reconnect(name).catch(() => {});
	return h(
		"section.server",
		{"data-status": status},
		h("header", h("i.dot"), h("h2", name), h("span.quiet", t(status)), status === "down" && button(t("reconnect"), again)),
		h("p.quiet", [transport, protocolVersion, url].filter(Boolean).join(" · ")),
		h("p.bad", error),
		world.tools.filter(({server}) => server === name).map(toolCard),
	);
}

export const drawTools = box => box.replaceChildren(...world.servers.map(serverBox), world.servers.length ? "" : t("noServers"));
