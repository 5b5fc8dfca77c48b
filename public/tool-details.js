// What is seen of a tool once it is opened, to run it by hand; and the dialog for a prompt's arguments.
import {isUnknown, messageOf} from "./backend.js";
import {failureSentence} from "./call-card.js";
import {heldIn} from "./conversations.js";
import {attr, button, h, openDialog} from "./elements.js";
import {drawExact, readable} from "./exact-text.js";
import {localised, t} from "./i18n.js";
import {isListed, listTool, toolsThatAsk} from "./preferences.js";
import {orderOf, PURCHASE, purchaseOf} from "./purchase.js";
import {drawAnswer} from "./result-view.js";
import {schemaForm} from "./schema-form.js";
import {keyedCall} from "./tool-client.js";
import {promptText} from "./wording.js";

/** @param {Tool} tool */
function runForm({server, name, input_schema: schema, readOnly, honoursKey}) {
	const call = keyedCall(server, name);
	/** @param {unknown} args @param {object | null} agreed @returns {Promise<HTMLElement>} */
	const send = async (args, agreed) => {
		/** @type {(text: string, label: string, redo: false | (() => Promise<HTMLElement>), more?: HTMLElement) => HTMLElement} */
		const failed = (text, label, redo, more) => {
			const again = button(label, async () => {
				again.disabled = true; // a second press would lose its answer
				if (redo) box.replaceWith(await redo());
			});
			const box = h("", h("p.bad", text), redo && h(".row", again), more);
			return box;
		};
		try {
			const answer = {...(await call(args, agreed)), server, tool: name};
			const order = name === PURCHASE && !answer.isError && orderOf(answer.result);
			if (order) return h(".slot.receipt", await (await import("./bill.js")).drawReceipt(answer, order));
			if (!answer.isError) return drawAnswer(answer);
			const all = h("details.raw", h("summary", t("result")), drawAnswer(answer));
			return failed(failureSentence(answer), t("tryAgain"), () => run(args), all);
		} catch (error) {
			const isOnce = isUnknown(error) && Boolean(readOnly || honoursKey);
			return failed(messageOf(error), t("unknownRetry"), isOnce && (() => send(args, agreed)));
		}
	};
	/** Buys asks first, with what it costs, and ends with a receipt. @param {any} args any: whatever was filled in @returns {Promise<HTMLElement>} */
	const run = async args => {
		const purchase = purchaseOf({server, tool: name, honoursKey, raw: JSON.stringify(args)}, server);
		if (!purchase && name !== PURCHASE) return send(args, {});
		const box = h(".content");
		/** @type {(yes: boolean, total: number | null, wanted?: Purchase) => Promise<void>} */
		const decide = async (yes, total, wanted) => {
			if (!isOpen) return; // a double click decides once
			isOpen = false;
			const agreed = total === null ? null : {total};
			box.replaceChildren(
				...(yes ? [await send(wanted ? {...args, input_data: wanted} : args, agreed)] : []),
			);
		};
		let isOpen = true;
		if (!purchase) {
			const yes = button(t("confirmTool"), () => decide(true, null), ".primary");
			const no = button(t("cancel"), () => decide(false, null));
			box.append(drawExact(JSON.stringify(args)), h(".row", yes, no));
			return box;
		}
		const {askPurchase} = await import("./bill.js");
		await askPurchase(box, {server, purchase, isAsking: () => isOpen, decide});
		return box;
	};
	return schemaForm(t("tryTool"), schema, run, t("run"), heldIn(`tool ${server} ${name}`));
}

/** Ask for a prompt's arguments, and `use` its text. @param {Prompt} prompt @param {(text: string) => void} use */
export function fillPrompt(prompt, use) {
	const typing = heldIn(`prompt ${prompt.server} ${prompt.name}`);
	/** @param {unknown} args */
	const run = async args => {
		const text = await promptText(prompt, args);
		dialog.close();
		typing.typed?.();
		use(text); // after closing, which moves the focus
		return "";
	};
	const cancel = button(t("cancel"), () => dialog.close());
	const form = schemaForm(
		readable(localised(prompt.description)),
		prompt.input_schema,
		run,
		t("takeOver"),
		typing,
		cancel,
	);
	const dialog = openDialog(readable(localised(prompt.title)), form);
}

/** A tool only reads because its server says so: the user may want to be asked. @param {Tool} tool */
function askFirstBox({server, name}) {
	const tool = {server, tool: name};
	const onchange = () => {
		listTool("askFirst", tool, box.checked);
		listTool("asked", tool, box.checked);
	};
	const box = h("input", attr({type: "checkbox", checked: isListed(toolsThatAsk(), tool), onchange}));
	return h("label.check", box, t("askFirst"));
}

/** @param {Tool} tool */
export function toolDetails(tool) {
	/** @param {"input_schema" | "output_schema"} key */
	const schema = key =>
		tool[key] && h("details.raw", h("summary", t(key)), drawExact(JSON.stringify(tool[key])));
	const askFirst = tool.readOnly && askFirstBox(tool);
	const schemas = [schema("input_schema"), schema("output_schema")];
	return h("", h("p.about", readable(localised(tool.description))), askFirst, schemas, runForm(tool))
		.childNodes;
}
