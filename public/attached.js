// What is attached to the question that is being written: chosen, pasted, dropped, or given by another part.
import {$, h, iconButton, toast} from "./elements.js";
import {sizeText, t} from "./i18n.js";

const input = $("input", HTMLTextAreaElement);
const picker = $("files", HTMLInputElement);
/** @type {Attachment[]} */
let attached = [];
let reading = Promise.resolve(); // what is still being read
let onchange = () => {};

export const filesAttached = () => attached;

/** Once nothing is being read any more. */
export const filesRead = () => reading;

/** All that is attached, which is taken away. */
export function takeAttached() {
	const taken = attached;
	attach([], []);
	return taken;
}

/** @param {Attachment[]} files @param {Attachment[]} [before] */
export function attach(files, before = attached) {
	attached = [...before, ...files];
	$("attached").replaceChildren(...attached.map(chip));
	onchange();
}

/** @param {Attachment} file */
function chip(file) {
	const remove = () => {
		const others = attached.filter(other => other !== file);
		attach([], others);
		input.focus();
	};
	const cross = iconButton("x", remove, `${t("detach")} ${file.name}`);
	return h("li", thumbnail(file), h("bdi", file.name), h("small", aboutFile(file)), cross);
}

/** What the model gets of it. @param {Attachment} file */
export const aboutFile = ({size, about}) => [about, sizeText(size)].filter(Boolean).join(" · ");

/** @param {Attachment} file */
export function thumbnail({name, url}) {
	if (!url) return false;
	const image = new Image();
	[image.src, image.alt] = [url, name];
	return image;
}

/** @param {File[]} files @param {string} [note] once they are attached */
export function attachFiles(files, note) {
	const work = async () => {
		const {readFiles} = await import("./read-files.js");
		const {attachments, problems} = await readFiles(files, attached);
		attach(attachments);
		const said = attachments.length && note ? [...problems, note] : problems;
		if (said.length) toast(said.join("\n"));
	};
	reading = reading.then(work).catch(() => toast(t("offline")));
	return reading;
}

/** @param {ClipboardEvent} event */
function onPaste(event) {
	const {clipboardData: data, target} = event;
	const field = /** @type {HTMLInputElement} */ (target);
	const isOver = data && field.maxLength > 0 && data.getData("text/plain").length > field.maxLength;
	if (isOver && field !== /** @type {unknown} */ (input)) toast(t("pasteTooLong", {max: field.maxLength}));
	if (!data || (target !== input && target !== document.body)) return;
	// Office puts a picture of the text beside it; a copied picture has HTML, and no text.
	const text = data.getData("text/plain");
	const isText = text && (!data.files.length || data.types.includes("text/html"));
	const isLong = text.length > input.maxLength - input.value.length;
	const files = isText ? [new File([text], `${t("pastedText")}.txt`)] : [...data.files];
	if (!files.length || (isText && !isLong)) return;
	event.preventDefault();
	attachFiles(files, isText ? t("pastedAsFile") : "");
}

/** @param {DragEvent} event */
function onDrag(event) {
	if (!event.dataTransfer?.types.includes("Files")) return;
	event.preventDefault(); // else the browser would open the file in the place of the page
	const isOver = event.type === "dragover";
	$("composer").classList.toggle(
		"drop",
		isOver || (event.type === "dragleave" && event.relatedTarget !== null),
	);
	if (event.type === "drop") attachFiles([...event.dataTransfer.files]);
}

/** @param {() => void} changed */
export function followAttached(changed) {
	onchange = changed;
	$("attach").onclick = () => picker.click();
	picker.onchange = () => {
		attachFiles([...(picker.files ?? [])]);
		picker.value = ""; // so that the same file can be chosen again
	};
	document.addEventListener("paste", onPaste);
	document.addEventListener("dragover", onDrag);
	document.addEventListener("dragleave", onDrag);
	document.addEventListener("drop", onDrag);
}
