// What the header and the banner say: which servers answer, and what waits for a person.
import {status} from "./backend.js";
import {$, button, h, icon} from "./elements.js";
import {failureText, t} from "./i18n.js";

/** Open the panel at what waits there. */
export function showServers() {
	$("tab-tools").click();
	if (!$("panel").checkVisibility()) $("panel").showPopover();
	document.querySelector("[data-status=untrusted], [data-status=sign_in]")?.scrollIntoView();
}

/** What does not work, in sentences. @returns {string[]} */
function problemsOf({online, servers} = status) {
	if (!online) return [t("offline")];
	const down = servers.filter(server => server.status === "down");
	return [
		...down.map(server => t("serverDown", {name: server.name, error: failureText(server)})),
		...servers.filter(({shopAway}) => shopAway).map(({name}) => t("shopAway", {name})),
	];
}

export function drawHealth() {
	const {model, servers} = status;
	const ready = servers.filter(server => server.status === "ready").length;
	const wanted = servers.filter(server => server.status !== "disabled").length;
	const waiting = servers.filter(({status}) => status === "untrusted" || status === "sign_in");
	const problems = problemsOf();
	const health = ready && ready === wanted ? "ready" : wanted ? "connecting" : "none";
	$("demo").hidden = !model.demo;
	$("health").replaceChildren(h("i.dot"), t("nServers", {n: ready, m: wanted}));
	$("health").dataset.status = problems.length ? "down" : health;
	$("banner").replaceChildren(
		...problems.map(text => h("p", icon("unknown"), text)),
		...waiting.map(({name, status}) => {
			const text = t(status === "sign_in" ? "signInWaits" : "commandWaits", {name});
			return h("p.warn", icon("unknown"), text, button(t("look"), showServers));
		}),
	);
}
