// Block Kit: each block as Slack draws it.

import { chart } from "./charts.js";
import { el, icon, iconButton } from "./dom.js";
import { field } from "./fields.js";
import { markdownBlock } from "./markdown.js";
import { showMenu } from "./menu.js";
import { act, view } from "./sandbox.js";
import { tableBlock } from "./tables.js";
import { address, richText, textObject } from "./text.js";

const picture = (object) => el("div", { class: "picture" }, icon("picture"),
  el("div", {}, object.alt_text, el("small", {}, object.title ? object.title.text : "image (not loaded)")));

const actions = (block, message) => el("div", { class: "block-actions" }, block.elements.map((each) => element(each, message)));

const BLOCKS = {
  section: (block, message) => el("div", { class: "block-section" },
    el("div", {},
      block.text && el("div", { class: "text" }, textObject(block.text)),
      block.fields && el("div", { class: "fields" }, block.fields.map((each) => el("div", { class: "text" }, textObject(each))))),
    block.accessory && element(block.accessory, message)),
  header: (block) => el("h3", { class: "block-header" }, textObject(block.text)),
  context: (block) => el("div", { class: "block-context" }, block.elements.map((each) =>
    each.type === "image" ? el("span", {}, icon("picture"), " ", each.alt_text) : el("span", { class: "text" }, textObject(each)))),
  actions,
  context_actions: actions,
  divider: () => el("hr", { class: "block-divider" }),
  image: picture,
  markdown: (block) => markdownBlock(block.text),
  rich_text: (block) => el("div", {}, richText(block)),
  task_card: (block) => el("div", { class: "plan" }, task(block)),
  plan: (block) => el("div", { class: "plan" }, el("b", {}, block.title), (block.tasks || []).map(task)),
  table: (block) => tableBlock(block, richText),
  data_table: (block) => tableBlock(block, richText),
  data_visualization: chart,
  container: (block, message) => el("details", { class: "container", open: !block.default_collapsed },
    el("summary", {}, block.title ? textObject(block.title) : richText(block.rich_text_title),
      block.subtitle && el("div", { class: "block-context" }, textObject(block.subtitle))),
    blocks(block.child_blocks, message)),
  card: (block, message) => el("div", { class: "card" },
    block.hero_image && picture(block.hero_image),
    block.title && el("b", {}, textObject(block.title)),
    block.subtitle && el("div", { class: "block-context" }, textObject(block.subtitle)),
    block.body && el("div", { class: "text" }, textObject(block.body)),
    block.actions && actions({ elements: block.actions }, message)),
  carousel: (block, message) => el("div", { class: "carousel" }, block.elements.map((each) => BLOCKS.card(each, message))),
  alert: (block) => el("div", { class: "alert " + (block.level || "default"), role: "note" }, textObject(block.text)),
  input: (block) => field(block),
};

export function blocks(list, message) {
  return el("div", { class: "blocks" }, list.map((block) =>
    (BLOCKS[block.type] || (() => el("div", { class: "unknown" }, `${block.type} block (not drawn here)`)))(block, message)));
}

const MARKS = {
  pending: ["waiting", "Not begun"], in_progress: ["running", "Running"],
  complete: ["done", "Done"], error: ["failed", "Failed"],
};

function task(card) {
  const [mark, said] = MARKS[card.status];
  const title = [el("span", { class: "mark", title: said }, icon(mark), el("span", { class: "unseen" }, `${said}: `)), el("span", {}, card.title)];
  if (!card.details && !card.output) return el("div", { class: "task " + card.status }, title);
  return el("details", { class: "task " + card.status }, el("summary", {}, title),
    [card.details, card.output].map((each) => each && el("div", { class: "block-context" }, richText(each))));
}

// ---- what can be pressed or chosen --------------------------------------------------------

// Press something once: a second press while the app answers does nothing.
async function press(node, action_id, value, message) {
  if (node.ariaBusy === "true") return;
  node.ariaBusy = "true";
  const place = message.channel ? { do: "click", channel: message.channel, ts: message.ts } : { do: "press", home: message.home };
  await act({ ...place, action_id, value });
  node.removeAttribute("aria-busy");
}

const pressing = (id, value, message) => (event) => { press(event.currentTarget, id, value, message); };

const ELEMENTS = {
  button: (each, message) => {
    const look = { class: "button " + (each.style || ""), "aria-label": each.accessibility_label, onclick: pressing(each.action_id, undefined, message) };
    if (each.url) return el("a", { ...look, ...address(each.url) }, textObject(each.text));
    return el("button", { type: "button", ...look }, textObject(each.text));
  },
  icon_button: (each, message) => iconButton("trash", each.text.text, pressing(each.action_id, each.value, message)),
  feedback_buttons: (each, message) => ["positive", "negative"].map((side) => {
    const { value, text } = each[side + "_button"];
    const place = `${view.me} ${message.ts} ${each.action_id}`;
    return iconButton(side === "positive" ? "up" : "down", text.text, (event) => {
      view.pressed[place] = value;
      for (const button of event.currentTarget.parentNode.querySelectorAll("[aria-pressed]"))
        button.ariaPressed = String(button === event.currentTarget);
      press(event.currentTarget, each.action_id, value, message);
    }, { "aria-pressed": String(view.pressed[place] === value) });
  }),
  image: picture,
  overflow: (each, message) => iconButton("more", "More actions", (event) => {
    const node = event.currentTarget;
    showMenu(node, each.options.map((option) => ({ label: option.text.text, choose: () => press(node, each.action_id, option.value, message) })));
  }, { "aria-haspopup": "menu" }),
};

function element(each, message) {
  if (ELEMENTS[each.type]) return ELEMENTS[each.type](each, message);
  if (!each.options) return el("span", { class: "unknown" }, each.type);
  const chosen = each.initial_option && each.initial_option.value;
  const label = each.placeholder ? each.placeholder.text : "Choose";
  return el("select", { "aria-label": label, onchange: (event) => press(event.currentTarget, each.action_id, event.currentTarget.value, message) },
    el("option", { disabled: true, selected: !chosen }, label),
    each.options.map((option) => el("option", { value: option.value, selected: option.value === chosen }, option.text.text)));
}
