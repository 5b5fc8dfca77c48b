// Before the first paint, so that nothing flashes and the words are on their way. Storage may be forbidden.
{
	const root = document.documentElement;
	let kept = {};
	try {
		kept = {...JSON.parse(localStorage.getItem("settings"))};
	} catch {}
	root.dataset.theme = kept.theme ?? "";
	const lang = kept.lang || (navigator.language.startsWith("zh") ? "zh" : "en");
	root.lang = lang === "zh" ? "zh-CN" : lang;
	const words = {rel: "preload", as: "fetch", crossOrigin: "", href: `/static/${lang}.json`};
	document.head.append(Object.assign(document.createElement("link"), words));
}
