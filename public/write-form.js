// A form that changes something through a tool, once for what somebody means.
import {isUnknown, messageOf} from "./backend.js";
import {attr, button, fieldsOf, h} from "./elements.js";
import {failureText, t} from "./i18n.js";
import {dataOf} from "./tool-result.js";

/** @typedef {(values: Params, submitter: HTMLButtonElement) => Params | null | Promise<Params | null>} ArgsOf null: not yet */

/** @param {string} label @param {Partial<HTMLInputElement>} props @param {"input" | "textarea"} [kind] */
export const field = (label, props, kind = "input") =>
	h(`label${kind === "textarea" ? ".whole" : ""}`, h("span", t(label)), Object.assign(h(kind), props));

/** @param {string} label @param {string} [value] @param {string} [kind] */
export function submit(label, value = "", kind = "") {
	const made = button(t(label), () => {}, kind);
	return Object.assign(made, {type: "submit", value});
}

/** What was typed stays until it is done; what may have been done is sent again as the same call. */
export class WriteForm {
	#output = h(".output.whole", attr({role: "status"}));

	/**
	 * @param {(args: unknown) => Promise<ToolAnswer>} call @param {HTMLElement[]} fields @param {ArgsOf} argsOf
	 * @param {(result: any) => unknown} done what to say @param {() => Promise<void>} refresh
	 */
	constructor(call, fields, argsOf, done, refresh) {
		this.call = call;
		this.done = done;
		this.refresh = refresh;
		this.box = h("fieldset.fields", fields);
		this.form = h("form", this.box, this.#output);
		this.form.oninput = () => this.form.classList.add("typed");
		this.form.onreset = () => this.form.classList.remove("typed");
		this.form.onsubmit = async event => {
			event.preventDefault();
			const values = fieldsOf(this.form);
			this.box.disabled = true;
			this.say();
			const args = await argsOf(values, /** @type {HTMLButtonElement} */ (event.submitter));
			if (args) await this.#send(args);
			else this.#unlock();
		};
	}

	/** @param {...unknown} said */
	say(...said) {
		this.#output.replaceChildren(...(said.length ? [h(".content", said)] : []));
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
		this.box.disabled = true;
		try {
			const {isError, code, params, result} = await this.call(args);
			if (isError) this.say(h("p.bad", failureText({code, params, detail: result})));
			else {
				this.say(this.done(dataOf(result)));
				this.form.reset();
			}
			this.#unlock();
		} catch (error) {
			if (isUnknown(error)) this.#offerAgain(messageOf(error), args);
			else {
				this.say(h("p.bad", messageOf(error)));
				this.#unlock();
			}
		}
		await this.refresh(); // what is true now is shown, whatever came of it
	}

	/** @param {string} why @param {Params} args */
	#offerAgain(why, args) {
		const leave = () => {
			this.say();
			this.#unlock();
		};
		const again = button(t("unknownRetry"), () => this.#send(args), ".primary");
		this.say(h("p.warned", why), h(".row", again, button(t("leaveIt"), leave)));
		this.#focus(".primary");
	}
}
