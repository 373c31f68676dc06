// The page: which channel and thread are open, and what changes when the sandbox does.

import { blocks } from "./blocks.js";
import { askHint, composer } from "./composer.js";
import { $, become, el } from "./dom.js";
import { showMessages, workingOn, writer } from "./messages.js";
import { beginModal, showModal } from "./modal.js";
import { arrows, fill, layOut, notice, toEnd } from "./pane.js";
import { act, channelOf, current, follow, refresh, userName, view } from "./sandbox.js";
import { beginSidebar, showSidebar } from "./sidebar.js";
import { beginTheme } from "./theme.js";

const isPhone = () => matchMedia("(max-width: 600px)").matches;

// ---- where one is -------------------------------------------------------------------------

const title = (channel) => (channel.kind === "channel" ? "#" : "") + channel.name;
const isOwn = (channel) => channel.with_app;

// On a phone one sees the channels or one of them.
function showChannels(shown) {
  document.body.classList.toggle("channels-shown", shown);
  if (shown && isPhone()) $("channels").querySelector("[aria-current], button").focus();
}

const back = () => showChannels(true);

// The direct messages with the app exist once its Home tab has been opened.
function openMessages() {
  const direct = view.state.channels.find(isOwn);
  if (direct) openChannel(direct.id);
}

function tabs(chosen) {
  const tab = (name, open) => el("button", { type: "button", "aria-current": name === chosen && "page", onclick: open }, name);
  return el("nav", { class: "tabs", "aria-label": userName(view.state.bot) }, tab("Home", openHome), tab("Messages", openMessages));
}

function openChannel(id) {
  view.channel = id;
  view.thread = null;
  const channel = current();
  layOut($("main"), {
    heading: title(channel), detail: `${channel.members} members`, label: `Messages in ${title(channel)}`, back,
    tabs: isOwn(channel) && tabs("Messages"),
    form: composer({ id: "write", label: `Message ${title(channel)}`, hint: askHint(), threadTs: null, onSent: () => toEnd($("main")) }),
  });
  arrows($("main"), openThread);
  showChannels(false);
  if (!isPhone()) $("write").focus();
  render();
  if (isOwn(channel)) act({ do: "home", tab: "messages" });
}

function openHome() {
  view.channel = "home";
  view.thread = null;
  layOut($("main"), { heading: userName(view.state.bot), label: "Home", back, tabs: tabs("Home") });
  $("main").atEnd = false;
  showChannels(false);
  render();
  act({ do: "home", tab: "home" });
}

function openThread(ts) {
  view.thread = ts;
  layOut($("thread"), {
    heading: "Thread", detail: title(current()), label: "Messages of the thread", close: closeThread,
    form: composer({ id: "reply", label: "Reply…", hint: "", threadTs: ts, onSent: () => toEnd($("thread")) }),
  });
  arrows($("thread"));
  render();
  if (!isPhone()) $("reply").focus();
}

function closeThread() {
  const from = document.getElementById(`m${view.thread}`);
  view.thread = null;
  render();
  if (from) from.focus();
}

// Open the place of a fragment: #person/channel/thread, or #person/home for the app's Home tab.
function openPlace([, place, thread]) {
  const own = channelOf(place);
  const other = view.channel ? null : view.state.channels[0];
  if (place === "home" || !(own || other || view.channel)) openHome();
  else if (own || other) openChannel((own || other).id);
  // Last, as a pane that is opened loses its notice.
  if (own && thread && own.messages.some(({ ts }) => ts === thread)) openThread(thread);
  else if (own && thread) notice("That message is not in this conversation: perhaps it was deleted.");
  else if (place && place !== "home" && !own) notice("That conversation is not one of yours.");
}

const fragment = () => location.hash.slice(1).split("/");

// ---- what is shown ------------------------------------------------------------------------

function render() {
  document.title = `${view.channel === "home" ? userName(view.state.bot) : title(current())} – tracebot sandbox`;
  history.replaceState(null, "", "#" + [view.me, view.channel, view.thread].filter(Boolean).join("/"));
  showSidebar((id) => (id === "home" ? openHome() : openChannel(id)));
  if (view.channel === "home") renderHome(view.state.home);
  else renderChannel(current());
  showModal(view.state.modal);
}

function renderHome(home) {
  $("thread").hidden = true;
  const list = $("main").querySelector(".list");
  const drawn = JSON.stringify(home);
  if (!home || list.dataset.drawn === drawn) return;
  list.dataset.drawn = drawn;
  become(list, el("div", { class: "home" }, blocks(home.blocks, { home: true })));
}

function renderChannel(channel) {
  const inThread = (message) => message.thread_ts && message.thread_ts !== message.ts;
  const growing = new Set(channel.messages.filter(({ streaming }) => streaming).map(({ thread_ts }) => thread_ts));
  const all = channel.messages.map((message) => ({ ...message, channel: channel.id, answering: growing.has(message.ts) }));
  const roots = all.filter((message) => !inThread(message) || (message.ephemeral && !view.thread));
  announce(all);
  fill($("main"), (list) => showMessages(list, roots, openThread), prompts(channel));
  $("thread").hidden = !view.thread;
  if (!view.thread) return;
  const replies = all.filter((message) => [message.ts, message.thread_ts].includes(view.thread));
  fill($("thread"), (list) => showMessages(list, replies), working(channel));
}

function prompts(channel) {
  if (!channel.prompts.length) return null;
  const send = (text) => () => { toEnd($("main")); act({ do: "post", channel: channel.id, text }); };
  return el("div", { class: "prompts" }, channel.prompts.map((prompt) =>
    el("button", { type: "button", class: "button", title: prompt.message, onclick: send(prompt.message) }, prompt.title)));
}

function working(channel) {
  const found = workingOn(channel.id, view.thread);
  const ts = view.thread;
  return found && el("div", { class: "status" }, el("span", { class: "typing" }, found.text),
    found.processing && el("button", { type: "button", class: "button", onclick: () => act({ do: "stop", channel: channel.id, ts }) }, "Stop"));
}

// Tell a screen reader of messages of others, once they are complete.
const announced = { channel: null, messages: new Set() };

function announce(messages) {
  const news = messages.filter((message) => !message.streaming && !announced.messages.has(message.ts));
  for (const message of news) announced.messages.add(message.ts);
  const others = news.filter((message) => message.user !== view.me);
  if (announced.channel === view.channel && others.length)
    $("announcer").textContent = others.map((message) => `${writer(message).name}: ${message.text || ""}`.slice(0, 300)).join("\n");
  announced.channel = view.channel;
}

// ---- beginning ----------------------------------------------------------------------------

let begun = false;

function changed() {
  const here = begun && (view.channel === "home" || current());
  begun = true;
  if (here) return render();
  view.channel = null;
  openPlace(fragment());
}

$("me").onchange = (event) => {
  view.me = event.target.value;
  begun = false;
  history.replaceState(null, "", "#" + view.me);
  refresh();
};

addEventListener("hashchange", () => {
  const [me] = fragment();
  if (me === view.me) return openPlace(fragment());
  view.me = me;
  begun = false;
  refresh();
});

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && view.thread && !$("modal").open && !event.defaultPrevented) closeThread();
});

view.me = fragment()[0] || null;
beginTheme();
beginSidebar();
beginModal();
follow(changed, notice);
