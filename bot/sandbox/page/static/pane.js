// A pane: a header, a list of messages, and the box in which one writes.

import { $, become, el, icon, iconButton } from "./dom.js";

const NEAR_END = 60;

const isAtEnd = (list) => list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_END;

// Fill a pane anew. `back` leads to the list of channels on a phone.
export function layOut(node, { heading, detail, label, back, close, tabs, form }) {
  const list = el("div", { class: "list", role: "log", tabindex: 0, "aria-label": label, "aria-live": "off" });
  const latest = el("button", { type: "button", class: "latest button", hidden: true, onclick: () => toEnd(node) }, icon("latest"), " New messages");
  node.replaceChildren(
    el("header", {}, back && iconButton("back", "Back to the channels", back, { class: "icon-button back" }),
      el("h2", { id: `${node.id}-heading` }, heading), tabs || el("span", {}, detail), close && iconButton("close", "Close the thread", close)),
    list, latest, el("div", { class: "foot" }), form || "");
  node.atEnd = true;
  // Not while it grows: only a person's own scrolling says where they want to be.
  list.onscroll = () => { node.atEnd = isAtEnd(list); if (node.atEnd) latest.hidden = true; };
  new ResizeObserver(() => { if (node.atEnd) toEnd(node); }).observe(list);
}

export function toEnd(node) {
  const list = node.querySelector(".list");
  node.atEnd = true;
  node.querySelector(".latest").hidden = true;
  list.scrollTop = list.scrollHeight;
}

// Change what is in a pane. It stays at its end if it was there, else where it is.
export function fill(node, show, foot) {
  const list = node.querySelector(".list");
  const last = list.lastElementChild && list.lastElementChild.id;
  show(list);
  become(node.querySelector(".foot"), foot);
  if (node.atEnd) toEnd(node);
  else if (last && list.lastElementChild.id !== last) node.querySelector(".latest").hidden = false;
}

// Arrow keys go from message to message; Enter opens the thread of one.
export function arrows(node, openThread) {
  node.onkeydown = (event) => {
    const list = node.querySelector(".list");
    const on = event.target.closest("article");
    if (!list.contains(event.target) || event.target.closest("select, pre, .scroll")) return;
    const all = [...list.querySelectorAll("article")];
    const at = on ? all.indexOf(on) : all.length;
    const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: all.length - 1 }[event.key];
    if (to !== undefined && all.length) {
      event.preventDefault();
      all[Math.max(0, Math.min(all.length - 1, to))].focus();
    }
    if (event.key === "Enter" && event.target === on && openThread) { event.preventDefault(); openThread(on.dataset.ts); }
  };
}

export function notice(text) {
  document.querySelectorAll(".notice").forEach((node) => node.remove());
  const node = el("div", { class: "notice", role: "alert" }, text);
  // On a narrow screen an open thread covers its channel.
  const pane = document.activeElement.closest(".pane:not([hidden])") || ($("thread").hidden ? $("main") : $("thread"));
  const place = $("modal").open ? $("modal").querySelector("footer") : pane.querySelector(".foot");
  place.before(node);
  setTimeout(() => node.remove(), 8000);
}
