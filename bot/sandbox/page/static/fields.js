// The fields of a modal. `filled` reads them when it is submitted.

import { $, el } from "./dom.js";
import { view } from "./sandbox.js";
import { textObject } from "./text.js";

const MANY = { checkboxes: "checkbox", radio_buttons: "radio" };

const isChosen = ({ initial_option: one, initial_options: several }, option) =>
  [one, ...(several || [])].some((each) => each && each.value === option.value);

// Draw a block of type `input`, with its label and hint.
export function field(block) {
  const name = [el("b", {}, block.label.text), block.optional && el("small", {}, " (optional)")];
  const id = `field-${block.block_id}`;
  const described = { "aria-describedby": [block.hint && `${id}-hint`, `${id}-error`].filter(Boolean).join(" ") };
  const notes = [
    block.hint && el("small", { id: `${id}-hint`, class: "hint" }, textObject(block.hint)),
    el("small", { id: `${id}-error`, class: "mistake", role: "alert" }),
  ];
  if (MANY[block.element.type])
    return el("fieldset", { class: "block-input", ...described }, el("legend", {}, name), input(block), notes);
  return el("div", { class: "block-input" }, el("label", { for: id }, name), input(block, { id, ...described }), notes);
}

function input({ block_id: block, element: each }, more) {
  const place = { "data-block": block, "data-action": each.action_id, "data-type": each.type, ...more };
  if (each.type === "plain_text_input" || each.type === "number_input")
    return el(each.multiline ? "textarea" : "input", { ...place, maxlength: each.max_length, placeholder: each.placeholder && each.placeholder.text,
      rows: each.multiline && 3, value: each.initial_value }, each.multiline && each.initial_value);
  if (MANY[each.type])
    return el("div", place, each.options.map((option) =>
      el("label", {}, el("input", { type: MANY[each.type], name: block, value: option.value, checked: isChosen(each, option) }), " ", textObject(option.text))));
  if (each.type === "timepicker")
    return el("input", { ...place, type: "time", value: each.initial_time });
  if (each.type === "conversations_select")
    return el("select", place, view.state.channels.filter(({ kind }) => kind === "channel" || kind === "group").map((channel) =>
      el("option", { value: channel.id }, `#${channel.name}`)));
  if (each.options)
    return el("select", place, each.options.map((option) => el("option", { value: option.value, selected: isChosen(each, option) }, option.text.text)));
  return el("div", { class: "unknown" }, each.type);
}

// Return the values of the open modal, in the shape that Slack sends.
export function filled() {
  const values = {};
  for (const node of $("modal").querySelectorAll("[data-action]")) {
    const { block, action, type } = node.dataset;
    const chosen = [...node.querySelectorAll("input:checked")].map((each) => ({ value: each.value }));
    const value = type === "checkboxes" ? { selected_options: chosen }
      : type === "radio_buttons" ? { selected_option: chosen[0] || null }
      : type === "timepicker" ? { selected_time: node.value || null }
      : type === "conversations_select" ? { selected_conversation: node.value }
      : node.tagName === "SELECT" ? { selected_option: { value: node.value } }
      : { value: node.value || null };
    (values[block] ||= {})[action] = { type, ...value };
  }
  return values;
}
