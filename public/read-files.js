// Files for a question: pictures are made as small as models look at them, everything else is read as text.
import {formatNumber, sizeText, t} from "./i18n.js";

const MAX_FILES = 8; // of a question
const MAX_FILE_BYTES = 20 * 2 ** 20; // that are read
const MAX_TEXT_CHARS = 200_000; // of all files of a question
const MAX_EDGE_PX = 1568; // of a picture that goes out; the models' own bounds are about there
const MAX_PICTURE_BYTES = 512 * 1024;
const SMALLER = 0.7; // a picture that is too large in every form is drawn so much smaller
const NO_TEXT = /(?!\s)\p{Cc}/u;
const ESCAPE = "\u001b"; // begins a colour in a log

/** @typedef {[string, number]} Form a type, and its quality */
/** @type {Form[]} */
const PHOTO = [
	["image/jpeg", 0.9],
	["image/jpeg", 0.6],
];

/** Read what fits beside that which is attached, and say why not for each other one. @param {File[]} files @param {Attachment[]} before */
export async function readFiles(files, before) {
	/** @type {Attachment[]} */
	const attachments = [];
	/** @type {string[]} */
	const problems = [];
	for (const file of files) {
		try {
			attachments.push(await readFile(file, [...before, ...attachments]));
		} catch (/** @type {any} any: of a catch clause */ error) {
			problems.push(error.message);
		}
	}
	return {attachments, problems: [...new Set(problems)]};
}

/** @param {File} file @param {Attachment[]} before @returns {Promise<Attachment>} */
async function readFile(file, before) {
	const {name, size, type} = file;
	if (before.length >= MAX_FILES) throw new Error(t("tooManyFiles", {max: MAX_FILES}));
	if (size > MAX_FILE_BYTES) throw new Error(t("fileTooLarge", {name, max: sizeText(MAX_FILE_BYTES)}));
	if (type.startsWith("image/") && type !== "image/svg+xml") return readPicture(file);
	const text = decode(new Uint8Array(await file.arrayBuffer()));
	if (text === null || NO_TEXT.test(text.replaceAll(ESCAPE, ""))) throw new Error(t("fileNotText", {name}));
	if (!text.trim()) throw new Error(t("fileEmpty", {name}));
	const chars = before.reduce((sum, other) => sum + (other.text?.length ?? 0), text.length);
	if (chars > MAX_TEXT_CHARS) throw new Error(t("textTooLong", {name, max: formatNumber(MAX_TEXT_CHARS)}));
	return {name, size, text, about: t("asText", {n: formatNumber(text.length)})};
}

/** UTF-8, UTF-16 or GB18030; null if it is none of them. @param {Uint8Array} bytes */
function decode(bytes) {
	const zeros = [0, 0]; // at even and odd places
	for (let i = 0; i < Math.min(bytes.length, 2000); i += 1) zeros[i % 2] += bytes[i] ? 0 : 1;
	const [even, odd] = zeros.map(count => count * 4 > Math.min(bytes.length, 2000) / 2);
	const mark = `${bytes[0]},${bytes[1]}`;
	const wide =
		mark === "255,254" || (odd && !even) ? "utf-16le" : (mark === "254,255" || (even && !odd)) && "utf-16be";
	for (const encoding of wide ? [wide] : ["utf-8", "gb18030"]) {
		try {
			return new TextDecoder(encoding, {fatal: true}).decode(bytes);
		} catch {}
	}
	return null;
}

/** Drawn anew: so it is what its type says, and tells no place where it was taken. @param {File} file @returns {Promise<Attachment>} */
async function readPicture(file) {
	const {name, type} = file;
	const picture = await createImageBitmap(file).catch(() => {
		throw new Error(t("pictureUnreadable", {name}));
	});
	/** @type {Form[]} */
	const forms = type === "image/jpeg" ? PHOTO : [["image/png", 1], ...PHOTO];
	let scale = Math.min(1, MAX_EDGE_PX / Math.max(picture.width, picture.height));
	for (;;) {
		const [width, height] = [picture.width, picture.height].map(edge =>
			Math.max(1, Math.round(edge * scale)),
		);
		for (const form of forms) {
			const blob = await draw(picture, width, height, form);
			if (blob.size <= MAX_PICTURE_BYTES) {
				const about = `${width} × ${height}${scale < 1 ? ` (${t("scaledDown")})` : ""}`;
				return {name, size: blob.size, url: await dataUrl(blob), about};
			}
		}
		scale *= SMALLER;
	}
}

/** @type {(picture: ImageBitmap, width: number, height: number, form: Form) => Promise<Blob>} */
function draw(picture, width, height, [type, quality]) {
	const canvas = document.createElement("canvas");
	[canvas.width, canvas.height] = [width, height];
	const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
	context.fillStyle = "white"; // a photo has nothing transparent
	if (type === "image/jpeg") context.fillRect(0, 0, width, height);
	context.imageSmoothingQuality = "high";
	context.drawImage(picture, 0, 0, width, height);
	return new Promise((resolve, reject) =>
		canvas.toBlob(
			blob => (blob ? resolve(blob) : reject(new Error(t("pictureUnreadable", {name: type})))),
			type,
			quality,
		),
	);
}

/** @param {Blob} blob @returns {Promise<string>} */
export const dataUrl = blob =>
	new Promise((resolve, reject) => {
		const reader = new FileReader();
		reader.onload = () => resolve(`${reader.result}`);
		reader.onerror = () => reject(reader.error);
		reader.readAsDataURL(blob);
	});
