// Runs before the first paint, so that neither theme nor layout flashes. Storage may be forbidden.
try {
  const settings = JSON.parse(localStorage.getItem("settings") || "{}");
  const root = document.documentElement;
  if (settings.theme) root.dataset.theme = settings.theme;
  if (settings.panelClosed) root.dataset.panel = "closed";
  if (settings.sideClosed) root.dataset.side = "closed";
} catch {
  // The defaults of the style sheet hold.
}
