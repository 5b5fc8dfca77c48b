// Before the first paint, so that nothing flashes. Storage may be forbidden.
window.settings = {}; // the modules' too
try {
	settings = {...JSON.parse(localStorage.settings)};
} catch {}
document.documentElement.style.colorScheme = settings.theme ?? "";
document.documentElement.lang = settings.lang || (navigator.language.startsWith("zh") ? "zh-CN" : "en");
