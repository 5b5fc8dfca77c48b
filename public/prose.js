// The model's markdown, rendered and sanitised by the server, put into the page without jumping.
import {wide} from "./data.js";
import {h} from "./dom.js";

// The server sanitises and the Content-Security-Policy forbids; this list is the third lock.
const TAGS = /^(A|B|BLOCKQUOTE|BR|CODE|DEL|DIV|EM|H\d|HR|I|KBD|LI|OL|P|PRE|S|SPAN|STRONG|SUB|SUP|TABLE|TBODY|TD|TH|THEAD|TR|UL)$/;
const ATTRIBUTES = ["href", "title", "start"];
const SAFE_LINK = /^(https?:|mailto:)/i;
const NUMBER = /^[-+]?[¥$€]?\s?\d[\d,.]*\s?(元|件|个|台|%)?$/;

function clean(root) {
	for (const element of root.querySelectorAll("*")) {
		if (!TAGS.test(element.tagName)) element.replaceWith(element.textContent);
		for (const {name, value} of [...element.attributes]) {
			if (!ATTRIBUTES.includes(name) || (name === "href" && !SAFE_LINK.test(value))) element.removeAttribute(name);
		}
		if (element.href) Object.assign(element, {target: "_blank", rel: "noopener noreferrer"});
	}
}

function frame(table) {
	const box = wide();
	table.replaceWith(box);
	box.append(table);
	const lines = [...table.querySelectorAll("tbody tr")];
	[...table.querySelectorAll("th")].forEach((head, index) => {
		const column = lines.map(line => line.children[index]);
		const numeric = column.every(item => NUMBER.test(item?.textContent.trim()));
		if (numeric) for (const item of [head, ...column]) item.classList.add("num");
	});
}

/** Show `html` in `target`; what is already there and unchanged is not touched, so selections and scrolling stay. */
export function renderProse(target, html) {
	const template = h("template");
	template.innerHTML = html;
	clean(template.content);
	template.content.querySelectorAll("table").forEach(frame);
	for (const block of template.content.querySelectorAll("pre")) block.tabIndex = 0;
	const next = [...template.content.childNodes];
	let at = 0;
	while (next[at] && target.childNodes[at]?.isEqualNode(next[at])) at += 1;
	while (target.childNodes[at]) target.lastChild.remove();
	target.append(...next.slice(at));
}
