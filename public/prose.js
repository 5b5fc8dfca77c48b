// The model's markdown, rendered and sanitised by the server, put into the page without jumping.
import { h } from "./dom.js";
import { t } from "./i18n.js";

// The server sanitises and the Content-Security-Policy forbids; this list is the third lock.
const TAGS = new Set(
  "A B BLOCKQUOTE BR CODE DEL DIV EM H1 H2 H3 H4 H5 H6 HR I KBD LI OL P PRE S SPAN STRONG SUB SUP TABLE TBODY TD TH THEAD TR UL".split(" "),
);
const ATTRIBUTES = new Set(["href", "title", "start", "align", "colspan", "rowspan"]);
const SAFE_LINK = /^(https?:|mailto:|#)/i;
const NUMBER = /^[-+]?[¥$€]?\s?\d[\d,.]*\s?(元|件|个|台|%)?$/;

function clean(root) {
  for (const element of root.querySelectorAll("*")) {
    if (!TAGS.has(element.tagName)) {
      element.replaceWith(element.textContent);
      continue;
    }
    for (const { name } of [...element.attributes]) if (!ATTRIBUTES.has(name)) element.removeAttribute(name);
    if (element.tagName === "A") cleanLink(element);
  }
}

function cleanLink(link) {
  if (!SAFE_LINK.test(link.getAttribute("href") ?? "")) return link.removeAttribute("href");
  link.target = "_blank";
  link.rel = "noopener noreferrer";
}

function dress(root) {
  for (const table of root.querySelectorAll("table")) {
    const box = h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": t("result") });
    table.replaceWith(box);
    box.append(table);
    alignNumbers(table);
  }
  for (const block of root.querySelectorAll("pre")) block.tabIndex = 0;
}

function alignNumbers(table) {
  const lines = [...table.querySelectorAll("tbody tr")];
  table.querySelectorAll("thead th").forEach((head, index) => {
    const cells = lines.map((line) => line.children[index]).filter(Boolean);
    if (!cells.length || !cells.every((item) => NUMBER.test(item.textContent.trim()))) return;
    for (const item of [head, ...cells]) item.classList.add("num");
  });
}

/** Show `html` in `target`; what is already there and unchanged is not touched, so selections and scrolling stay. */
export function renderProse(target, html) {
  const template = h("template");
  template.innerHTML = html;
  clean(template.content);
  dress(template.content);
  const next = [...template.content.childNodes];
  const old = [...target.childNodes];
  let same = 0;
  while (same < old.length && same < next.length && old[same].isEqualNode(next[same])) same += 1;
  for (const node of old.slice(same)) node.remove();
  target.append(...next.slice(same));
}
