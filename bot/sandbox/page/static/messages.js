// Messages, and lists of them.

import { blocks } from "./blocks.js";
import { el, icon, iconButton, reconcile } from "./dom.js";
import { showMenu } from "./menu.js";
import { act, userName, view } from "./sandbox.js";
import { emoji, link, quoted, unescape } from "./text.js";

const AVATARS = 8;
const FOLLOWS_S = 300;
const QUICK = ["+1", "-1", "eyes", "tada"];

// Made once: a formatter takes far longer to make than to use.
const CLOCK = new Intl.DateTimeFormat([], { hour: "numeric", minute: "2-digit" });
const CALENDAR = new Intl.DateTimeFormat([], { weekday: "long", day: "numeric", month: "long" });

const moment = (ts) => new Date(Number(ts) * 1000);
const time = (ts) => CLOCK.format(moment(ts));
const day = (ts) => CALENDAR.format(moment(ts));
const count = (replies) => `${replies} ${replies === 1 ? "reply" : "replies"}`;
const size = (bytes) => bytes < 1024 ? `${bytes} bytes` : `${Math.round(bytes / 1024)} KB`;

export function writer(message) {
  return { name: message.username || userName(message.user), app: Boolean(message.bot_id), own: message.user === view.state.bot };
}

export function avatar({ name, own }) {
  if (own) return el("span", { class: "avatar own", "aria-hidden": "true" }, icon("trace"));
  const sum = [...name].reduce((total, letter) => total + letter.charCodeAt(0), 0);
  return el("span", { class: `avatar a${sum % AVATARS}`, "aria-hidden": "true" }, ([...name][0] || "?").toUpperCase());
}

// Return what the app does in this thread, null if nothing.
export function workingOn(channel, ts) {
  const key = `${channel} ${ts}`;
  const processing = view.state.sessions[key] === "processing";
  const status = view.state.statuses[key];
  return status || processing ? { text: `${userName(view.state.bot)} ${status || "is working…"}`, processing } : null;
}

function body(message) {
  const drawn = message.blocks || [];
  if (drawn.some((block) => message.bot_id || block.type !== "rich_text")) return growing(blocks(drawn, message), message);
  if (!message.text) return null;
  return growing(el("div", { class: "text" }, quoted(message.text), message.edited && el("span", { class: "edited" }, "(edited)")), message);
}

// A message that still grows has a cursor behind its last words.
function growing(node, message) {
  if (message.streaming) ([...node.querySelectorAll(".text")].pop() || node).classList.add("grows");
  return node;
}

// What other apps say beside blocks, what was forwarded, and previews of links.
function attachment(each, message) {
  const title = each.title && el("b", {}, each.title_link ? link(each.title_link, unescape(each.title)) : unescape(each.title));
  const own = each.blocks || ((each.message_blocks || [])[0] || { message: {} }).message.blocks;
  const node = el("div", { class: "attachment" },
    each.author_name && el("div", {}, el("b", {}, each.author_name)),
    title && el("div", {}, title),
    own ? blocks(own, message) : each.text && el("div", { class: "text" }, quoted(each.text)),
    each.fields && el("div", { class: "fields" }, each.fields.map((field) =>
      el("div", { class: "text" }, el("b", {}, field.title), "\n", quoted(field.value || "")))),
    (each.files || []).map((file) => fileNode(file)),
    each.footer && el("small", {}, each.footer));
  node.style.borderLeftColor = { good: "#2c8c75", warning: "#d08b2c", danger: "#b3334b" }[each.color] || each.color || "";
  return [each.pretext && el("div", { class: "text" }, quoted(each.pretext)), node];
}

const fileNode = (file, preview) => [
  el("div", {}, el("div", { class: "file" }, icon("file"), el("div", {}, el("b", {}, file.title || file.name), el("small", {}, `${file.mimetype} · ${size(file.size)}`)))),
  preview && el("pre", { class: "preview" }, preview),
];

const react = (message, name) => act({ do: "react", name, channel: message.channel, ts: message.ts });

function reactions(message) {
  const names = Object.keys(view.state.emoji);
  const add = iconButton("smile", "Add a reaction", (event) => choose(event.currentTarget, message, names));
  return el("div", { class: "reactions" }, message.reactions.map((each) => {
    const said = `${each.name}: ${each.users.map(userName).join(", ")}`;
    return el("button", { type: "button", "aria-pressed": String(each.users.includes(view.me)), title: said, "aria-label": said,
      onclick: () => react(message, each.name) }, emoji(each.name), " ", el("span", {}, String(each.count)));
  }), add);
}

function choose(button, message, names) {
  showMenu(button, names.map((name) => ({ label: emoji(name), name, choose: () => react(message, name) })), 8);
}

function tools(message, open) {
  if (message.ephemeral) return null;
  const shortcut = ([id, name]) => ({ label: name, choose: () => act({ do: "shortcut", callback_id: id, channel: message.channel, ts: message.ts }) });
  const shortcuts = Object.entries(view.state.shortcuts).map(shortcut);
  return el("div", { class: "tools", role: "toolbar", "aria-label": "Actions on this message" },
    QUICK.map((name) => el("button", { type: "button", class: "icon-button", title: name, "aria-label": `React with ${name}`, onclick: () => react(message, name) }, emoji(name))),
    iconButton("smile", "Find another reaction", (event) => choose(event.currentTarget, message, Object.keys(view.state.emoji))),
    open && iconButton("reply", "Reply in thread", open),
    shortcuts.length > 0 && iconButton("more", "More actions", (event) => showMenu(event.currentTarget, shortcuts), { "aria-haspopup": "menu" }));
}

function replies(message, open) {
  const working = workingOn(message.channel, message.ts) || (message.answering && { text: `${userName(view.state.bot)} is writing…` });
  const people = (message.reply_users || []).slice(0, 4).map((id) => avatar({ name: userName(id), own: id === view.state.bot }));
  const last = message.latest_reply && (day(message.latest_reply) === day(Date.now() / 1000) ? `today at ${time(message.latest_reply)}` : day(message.latest_reply));
  return el("button", { type: "button", class: "replies", onclick: open }, people, el("b", {}, count(message.reply_count)),
    working ? el("span", { class: "typing" }, working.text) : last && el("span", {}, `Last reply ${last}`));
}

function messageNode(message, follows, onThread) {
  const who = writer(message);
  const open = onThread ? () => onThread(message.ts) : null;
  const classes = [follows && "follows", message.ephemeral && "ephemeral"].filter(Boolean).join(" ");
  const when = el("time", { class: "when", datetime: moment(message.ts).toISOString(), title: moment(message.ts).toLocaleString() }, time(message.ts));
  return el("article", { class: classes, tabindex: -1, "aria-label": `${who.name}, ${time(message.ts)}`, "aria-busy": message.streaming && "true", "data-ts": message.ts },
    message.ephemeral && el("div", { class: "only" }, icon("eye"), "Only visible to you"),
    follows ? when : avatar(who),
    el("div", { class: "content" },
      !follows && el("div", { class: "who" }, el("b", {}, who.name), who.app && el("span", { class: "badge" }, "APP"), when),
      body(message),
      (message.attachments || []).map((each) => attachment(each, message)),
      (message.files || []).map((file) => fileNode(file, message.previews[file.id])),
      message.reactions && reactions(message),
      onThread && message.reply_count && replies(message, open)),
    tools(message, open));
}

const separator = (id, text) => ({ id, key: text, make: () => el("div", { class: "day", role: "separator" }, el("span", {}, text)) });

// Show messages in a list. `onThread` opens the thread of one; without it, the list is a thread.
export function showMessages(list, messages, onThread) {
  const entries = [];
  messages.forEach((message, index) => {
    const before = messages[index - 1];
    if (onThread && (!before || day(before.ts) !== day(message.ts))) entries.push(separator(`d${message.ts}`, day(message.ts)));
    if (!onThread && index === 1) entries.push(separator("count", count(messages.length - 1)));
    const follows = Boolean(before && !message.ephemeral && !before.ephemeral && writer(before).name === writer(message).name
      && message.ts - before.ts < FOLLOWS_S && day(before.ts) === day(message.ts) && !before.reply_count);
    entries.push({
      id: (onThread ? "m" : "t") + message.ts,
      key: JSON.stringify([message, follows, message.reply_count && workingOn(message.channel, message.ts)]),
      make: () => messageNode(message, follows, onThread),
    });
  });
  if (!messages.length) entries.push({ id: "empty", key: "", make: () => el("div", { class: "empty" }, "No messages yet. Write the first one.") });
  reconcile(list, entries);
}
