// Build nodes, and change the page's nodes into new ones. Everything is set as text, never as HTML,
// so that nothing people or agents write can run.

import { ICONS } from "./icons.js";
import { pictured } from "./emoji.js";

export const $ = (id) => document.getElementById(id);

export function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node[name] = value;
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null && value !== "") node.setAttribute(name, value);
  }
  const shown = children.flat(Infinity).filter((child) => child != null && child !== false);
  node.append(...(tag === "option" ? shown : shown.flatMap(pictured)));
  return node;
}

export function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export const icon = (name) => svg("svg", { viewBox: "0 0 20 20", class: "icon", "aria-hidden": "true" },
  svg("path", { d: ICONS[name] }));

// A button that is only an icon: its name is read aloud, and shown by a pointer.
export const iconButton = (name, label, onclick, more) =>
  el("button", { type: "button", class: "icon-button", title: label, "aria-label": label, onclick, ...more }, icon(name));

const HANDLERS = ["onclick", "onchange", "oninput", "onkeydown", "onsubmit"];
// What a person changes by hand stays as it is.
const THEIRS = new Set(["open", "disabled", "tabindex", "style"]);

// Make `old` equal to `fresh`. Nodes that are alike stay, and with them the focus, the selection,
// what was scrolled and what was unfolded.
function morph(old, fresh) {
  if (old.nodeName !== fresh.nodeName) return old.replaceWith(fresh);
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (fresh.key) return fresh.key === old.key ? undefined : old.replaceWith(fresh);
  for (const { name } of [...old.attributes])
    if (!fresh.hasAttribute(name) && !THEIRS.has(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes)
    if (old.getAttribute(name) !== value && !THEIRS.has(name)) old.setAttribute(name, value);
  if (fresh.style.length) old.style.cssText = fresh.style.cssText;  // The policy forbids the attribute.
  for (const name of HANDLERS) old[name] = fresh[name];
  const [before, after] = [[...old.childNodes], [...fresh.childNodes]];
  after.forEach((child, index) => (before[index] ? morph(before[index], child) : old.append(child)));
  before.slice(after.length).forEach((child) => child.remove());
}

// Make `fresh` the only child of `parent`, or leave it empty.
export function become(parent, fresh) {
  if (parent.firstChild && fresh) morph(parent.firstChild, fresh);
  else parent.replaceChildren(...(fresh ? [fresh] : []));
}

// Make the children of `parent` those of `entries`, each `{ id, key, make }`. Only a child whose key
// is new is made.
export function reconcile(parent, entries) {
  const wanted = new Set(entries.map(({ id }) => id));
  for (const child of [...parent.children]) if (!wanted.has(child.id)) child.remove();
  const known = new Map([...parent.children].map((child) => [child.id, child]));
  entries.forEach(({ id, key, make }, index) => {
    const old = known.get(id);
    if (old && old.key !== key) morph(old, make());
    const node = old || make();
    Object.assign(node, { id, key });
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] || null);
  });
}
