// The modal that the app has opened for this person.

import { blocks } from "./blocks.js";
import { $, become, el, iconButton } from "./dom.js";
import { filled } from "./fields.js";
import { notice } from "./pane.js";
import { act } from "./sandbox.js";

const FIELDS = "[data-action]:is(input, textarea, select), [data-action] input, .blocks button";

const close = () => act({ do: "close" });

async function submit() {
  const { errors } = await act({ do: "submit", values: filled() });
  for (const [block, mistake] of Object.entries(errors || {})) {
    const place = document.getElementById(`field-${block}-error`);
    if (place) place.textContent = mistake;
    else notice(mistake);
  }
  const wrong = Object.keys(errors || {})[0];
  $("modal").querySelector(`[data-block="${wrong}"]`)?.focus();
}

function content(modal) {
  return el("form", { method: "dialog", onsubmit: (event) => { event.preventDefault(); submit(); } },
    el("header", {}, el("h2", { id: "modal-title" }, modal.title.text), iconButton("close", "Close", close)),
    blocks(modal.blocks, {}),
    el("footer", {},
      el("button", { type: "button", class: "button", onclick: close }, modal.close ? modal.close.text : "Close"),
      modal.submit && el("button", { class: "button primary" }, modal.submit.text)));
}

// Show the modal, or close it. What was typed into it stays while the app updates it.
export function showModal(modal) {
  const dialog = $("modal");
  if (!modal) { if (dialog.open) dialog.close(); return; }
  const drawn = JSON.stringify(modal);
  if (dialog.open && dialog.dataset.drawn === drawn) return;
  const same = dialog.open && dialog.dataset.view === modal.id;
  Object.assign(dialog.dataset, { drawn, view: modal.id });
  if (!same) dialog.replaceChildren();
  become(dialog, content(modal));
  if (dialog.open) return;
  dialog.showModal();
  dialog.querySelector(FIELDS)?.focus();
  dialog.scrollTop = 0;  // Its first button may be at its end.
}

export function beginModal() {
  $("modal").oncancel = (event) => { event.preventDefault(); close(); };
}
