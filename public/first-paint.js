// Runs before the first paint, so that a saved theme or language does not flash in. Storage may be forbidden.
window.preferences = {};
try {
	window.preferences = {...JSON.parse(localStorage.settings)};
} catch {}
document.documentElement.style.colorScheme = window.preferences.theme ?? "";
document.documentElement.lang =
	window.preferences.lang || (navigator.language.startsWith("zh") ? "zh-CN" : "en");
