// Work that many things ask for, done one at a time.

const REST_MS = 400; // at least, between two of the works that nobody waits for
const MAX_REST_MS = 3000;
const REST_SHARE = 2; // times as long as the work took: a shop that is slow is asked less often

/** What is asked for while the work is under way is done once more after it, and no more than that. */
export class Refresher {
	/** @type {Promise<void> | null} */
	#running = null;
	#isAsked = false;
	#isPlanned = false;
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

	/** Do it soon: what asks in quick succession asks once. */
	soon() {
		if (this.#isPlanned) return;
		this.#isPlanned = true;
		const plan = () => {
			this.#isPlanned = false;
			this.run();
		};
		setTimeout(plan, Math.max(0, this.#restUntil - Date.now()));
	}

	async #work() {
		const begun = Date.now();
		while (this.#isAsked) {
			this.#isAsked = false;
			await this.work();
		}
		const now = Date.now();
		this.#restUntil = now + Math.min(MAX_REST_MS, Math.max(REST_MS, REST_SHARE * (now - begun)));
		this.#running = null;
	}
}
