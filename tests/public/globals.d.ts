// The globals of first-paint.js, which runs before any module: what the user has chosen, and what paints it.
declare var preferences: Preferences;
declare var paintTheme: (theme?: string) => void;

// https://wicg.github.io/sanitizer-api/, which TypeScript's library knows in part.
interface Element {
	setHTML(html: string, options: {sanitizer: Sanitizer}): void;
}
