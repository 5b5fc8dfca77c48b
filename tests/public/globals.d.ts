// The one global of ours: what the user has chosen, read by first-paint.js before any module runs.
declare var preferences: Preferences;

// https://wicg.github.io/sanitizer-api/, which TypeScript's library knows in part.
interface Element {
	setHTML(html: string, options: {sanitizer: Sanitizer}): void;
}
