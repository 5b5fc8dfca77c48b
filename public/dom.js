// Elements from data, without ever parsing text as HTML.

const PROPERTIES = new Set(["value", "checked", "disabled", "open", "hidden", "textContent"]);

/** Make an element: `on…` are listeners, the rest properties or attributes; text children stay text. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (PROPERTIES.has(key)) element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/** A button that shows only an icon, its label for a pointer's tooltip and for a screen reader. */
export function iconButton(name, label, onclick) {
  return h("button", { type: "button", class: "icon", title: label, "aria-label": label, onclick }, icon(name));
}

export function button(label, onclick, kind = "") {
  return h("button", { type: "button", class: `btn ${kind}`, onclick }, label);
}

export const $ = (id) => document.getElementById(id);

let clearToast = 0;

/** Say something briefly at the bottom, with at most one action. */
export function toast(text, label, action) {
  const box = $("toast");
  const hide = () => (box.hidden = true);
  box.replaceChildren(text, label ? button(label, () => (hide(), action())) : "");
  box.hidden = false;
  clearTimeout(clearToast);
  clearToast = setTimeout(hide, 7000);
}

/** Tell a screen reader, and nobody else. */
export function announce(text) {
  $("live").textContent = text;
}

export async function copyText(text, done) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // No clipboard permission, or plain http on another host: the old way still works there.
    const area = h("textarea", { value: text, class: "sr" });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast(done);
}

export function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
