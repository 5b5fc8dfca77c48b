// Before the first paint, so that nothing flashes. Storage may be forbidden.
try {
	const {theme} = JSON.parse(localStorage.getItem("settings"));
	if (theme) document.documentElement.dataset.theme = theme;
} catch {}
