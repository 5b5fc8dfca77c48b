// Runs before the first paint, so that a saved theme or language does not flash in. Storage may be forbidden.
window.preferences = {};
try {
	window.preferences = {...JSON.parse(localStorage.settings)};
} catch {}
const root = document.documentElement;
/** The bar of the browser, or of the installed page, follows. @param {string} [theme] */
window.paintTheme = (theme = "") => {
	root.style.colorScheme = theme;
	/** @type {NodeListOf<HTMLMetaElement>} */
	const metas = document.querySelectorAll("meta[data-scheme]");
	for (const meta of metas) {
		const {scheme} = meta.dataset;
		meta.media = theme ? (theme === scheme ? "all" : "not all") : `(prefers-color-scheme: ${scheme})`;
	}
};
window.paintTheme(window.preferences.theme);
if (window.preferences.current) root.classList.add("resumes"); // no greeting before that conversation
const spoken = navigator.languages.find(name => /^(zh|en)\b/i.test(name)) ?? "en";
const chinese = /^zh-(hant|(?!hans).*(tw|hk|mo))/i.test(spoken) ? "zh-TW" : "zh-CN";
const chosen = ["zh-CN", "zh-TW", "en"].find(name => name === window.preferences.lang);
root.lang = chosen ?? (/^zh/i.test(spoken) ? chinese : "en");
// Beside the modules, which want it; from the page's address, since this script stands in the page itself.
import(`./static/${root.lang.replace("-CN", "")}.json`, {with: {type: "json"}});
