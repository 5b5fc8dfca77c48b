// Before the first paint, so that nothing flashes and the words are on their way. Storage may be forbidden.
window.settings = {}; // the modules' too
try {
	settings = {...JSON.parse(localStorage.settings)};
} catch {}
{
	const root = document.documentElement;
	root.dataset.theme = settings.theme ?? "";
	const lang = settings.lang || (navigator.language.startsWith("zh") ? "zh" : "en");
	root.lang = lang === "zh" ? "zh-CN" : lang;
	const words = {rel: "preload", as: "fetch", crossOrigin: "", href: `/static/${lang}.json`};
	document.head.append(Object.assign(document.createElement("link"), words));
}
