// A failure that says after how many seconds it may pass.
import {failureText, t} from "./i18n.js";

const SECOND_MS = 1000;

/** Count down in its sentence. Nothing is sent at the end: the way to try again is pointed out. @type {(said: HTMLElement, again: HTMLElement, failure: {code: string, params: {seconds: number}}) => void} */
export function countDown(said, again, failure) {
	const until = performance.now() + failure.params.seconds * SECOND_MS;
	said.ariaLive = "off"; // its sentence has been heard
	const tick = () => {
		const seconds = Math.ceil((until - performance.now()) / SECOND_MS);
		if (seconds > 0) said.textContent = failureText({...failure, params: {...failure.params, seconds}});
		else said.textContent = t("canTryAgain");
		again.classList.toggle("primary", seconds <= 0);
		if (seconds <= 0 || !said.closest(".log")) clearInterval(clock);
	};
	const clock = setInterval(tick, SECOND_MS);
}
