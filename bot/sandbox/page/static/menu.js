// A menu beside a button: the more actions of a message, or the emoji to choose from.

import { $, el } from "./dom.js";

const EDGE = 8;

// Show entries `{ label, name, choose }` beside `button`; `name` is read aloud for a label that is an
// emoji. With `columns` they stand in a grid.
export function showMenu(button, entries, columns = 1) {
  const menu = $("menu");
  const close = () => { menu.hidePopover(); button.focus(); };
  menu.className = columns > 1 ? "grid" : "";
  menu.replaceChildren(...entries.map(({ label, name, choose }) => el("button",
    { type: "button", role: "menuitem", title: name, "aria-label": name, onclick: () => { close(); choose(); } }, label)));
  menu.onkeydown = (event) => {
    const steps = { ArrowDown: columns, ArrowUp: -columns, ArrowRight: 1, ArrowLeft: -1 };
    if (event.key === "Escape" || event.key === "Tab") { event.preventDefault(); event.stopPropagation(); close(); }
    if (!steps[event.key]) return;
    event.preventDefault();
    const all = [...menu.children];
    const to = all.indexOf(document.activeElement) + steps[event.key];
    all[(to + all.length) % all.length].focus();
  };
  menu.showPopover();
  const place = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const below = place.bottom + 4 + height < innerHeight;
  menu.style.left = `${Math.max(EDGE, Math.min(place.right - width, innerWidth - width - EDGE))}px`;
  menu.style.top = `${Math.max(EDGE, below ? place.bottom + 4 : place.top - height - 4)}px`;
  menu.firstChild.focus();
}
