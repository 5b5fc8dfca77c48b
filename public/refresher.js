// Work that many things ask for, done one at a time.

const REST_MS = 400; // at least, between two of the works that nobody waits for
const MAX_REST_MS = 3000;

/** What is asked for while the work is under way is done once more after it, and no more than that. */
export class Refresher {
	/** @type {Promise<void> | null} */
	#running = null;
	#isAsked = false;
	#plan = 0;
	#restUntil = 0;

	/** @param {() => Promise<void>} work */
	constructor(work) {
		this.work = work;
	}

	/** Do it now; or, while it is under way, after that. It is done once the promise is. */
	run() {
		this.#isAsked = true;
		this.#running ??= this.#work();
		return this.#running;
	}

	/** Do it soon: what asks in quick succession asks once, and a shop that is slow is asked less often. */
	soon() {
		const begin = () => {
			this.#plan = 0;
			this.run();
		};
		this.#plan ||= Number(setTimeout(begin, this.#restUntil - Date.now()));
	}

	async #work() {
		const begun = Date.now();
		while (this.#isAsked) {
			this.#isAsked = false;
			await this.work();
		}
		const now = Date.now();
		this.#restUntil = now + Math.min(MAX_REST_MS, Math.max(REST_MS, 2 * (now - begun)));
		this.#running = null;
	}
}
