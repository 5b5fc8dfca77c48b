// A form that changes something through a tool, once for what somebody means.
import {isUnknown, messageOf} from "./backend.js";
import {attr, button, fieldsOf, h} from "./elements.js";
import {failureText, t} from "./i18n.js";
import {dataOf} from "./tool-result.js";

/** @typedef {(values: Params, submitter: HTMLButtonElement) => Params | null | Promise<Params | null>} ArgsOf null: not yet */

/** @param {string} label @param {Partial<HTMLInputElement>} props @param {"input" | "textarea"} [kind] */
export const field = (label, props, kind = "input") =>
	h("label", h("span", t(label)), Object.assign(h(kind), props));

/** @param {string} label @param {string} [value] @param {string} [kind] */
export function submit(label, value = "", kind = "") {
	const made = button(t(label), () => {}, kind);
	return Object.assign(made, {type: "submit", value});
}

/** What was typed stays until it is done; what may have been done is sent again as the same call. */
export class WriteForm {
	#output = h(".output.whole", attr({role: "status"}));

	/**
	 * @param {() => (args: Params) => Promise<ToolAnswer>} start what calls for the next intent @param {HTMLElement[]} fields
	 * @param {ArgsOf} argsOf @param {(result: any) => unknown} done what to say @param {() => Promise<void>} refresh
	 */
	constructor(start, fields, argsOf, done, refresh) {
		this.start = start;
		this.call = start();
		this.done = done;
		this.refresh = refresh;
		this.box = h("fieldset.fields", fields);
		this.form = h("form", this.box, this.#output);
		/** @type {NodeListOf<HTMLInputElement>} */
		const inputs = this.form.querySelectorAll("input, textarea");
		const isTyped = () => [...inputs].some(({value, defaultValue}) => value !== defaultValue);
		this.form.oninput = () => this.form.classList.toggle("typed", isTyped());
		this.form.onreset = () => this.form.classList.remove("typed");
		this.form.onsubmit = async event => {
			event.preventDefault();
			const values = fieldsOf(this.form);
			this.#begin();
			const args = await argsOf(values, /** @type {HTMLButtonElement} */ (event.submitter));
			if (args) await this.#send(args);
			else this.#unlock();
		};
	}

	/** @param {...unknown} said */
	say(...said) {
		this.#output.append(h(".content", said));
	}

	#begin() {
		this.box.disabled = true;
		this.#output.replaceChildren();
	}

	#unlock() {
		this.box.disabled = false;
		this.#focus("input");
	}

	/** The focus is lost where what has it is disabled or goes. @param {string} selector of what gets it */
	#focus(selector) {
		/** @type {HTMLElement | null} */
		const next = this.form.querySelector(selector);
		if (document.activeElement === document.body) next?.focus({preventScroll: true});
	}

	/** @param {Params} args */
	async #send(args) {
		this.#begin();
		/** @type {ToolAnswer & {mayBeDone?: boolean}} */
		const {mayBeDone, isError, code, params, result} = await this.call(args).catch(error => ({
			...{result: messageOf(error), isError: true, mayBeDone: isUnknown(error)},
		}));
		if (mayBeDone) this.#offerAgain(result, args);
		else {
			this.say(isError ? h("p.bad", failureText({code, params, detail: result})) : this.done(dataOf(result)));
			if (!isError) this.form.reset();
			this.#unlock();
		}
		await this.refresh(); // what is true now is shown, whatever came of it
	}

	/** @param {string} why @param {Params} args */
	#offerAgain(why, args) {
		const leave = () => {
			this.call = this.start(); // the same once more is another intent
			this.#output.replaceChildren();
			this.#unlock();
		};
		const again = button(t("unknownRetry"), () => this.#send(args), ".primary");
		this.say(h("p.warned", t("unknownTitle")), h("p", why), h(".row", again, button(t("leaveIt"), leave)));
		this.#focus(".primary");
	}
}
