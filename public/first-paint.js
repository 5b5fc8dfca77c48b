// Runs before the first paint, so that a saved theme or language does not flash in. Storage may be forbidden.
window.preferences = {};
try {
	window.preferences = {...JSON.parse(localStorage.settings)};
} catch {}
const root = document.documentElement;
root.style.colorScheme = window.preferences.theme ?? "";
root.lang = window.preferences.lang || (navigator.language.startsWith("zh") ? "zh-CN" : "en");
import(root.lang === "en" ? "./en.json" : "./zh.json", {with: {type: "json"}}); // beside the modules, which want it
