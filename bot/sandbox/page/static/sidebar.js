// The channels and direct messages of this person, and who this person is.

import { $, el, icon, reconcile } from "./dom.js";
import { avatar } from "./messages.js";
import { userName, view } from "./sandbox.js";

const newest = (channel) => channel.messages.length ? channel.messages[channel.messages.length - 1].ts : "0";

function entry(id, sign, name, unread, open) {
  const here = id === view.channel;
  return { id: `side-${id}`, key: JSON.stringify([name, here, unread]), make: () => el("button",
    { type: "button", class: unread ? "unread" : "", "aria-current": here && "page", onclick: () => open(id) },
    sign(), el("span", {}, name), unread && el("span", { class: "unseen" }, " (unread)")) };
}

function channelEntry(channel, open) {
  const place = `${view.me} ${channel.id}`;
  if (channel.id === view.channel) view.seen[place] = newest(channel);
  const unread = Number(newest(channel)) > Number(view.seen[place] || 0);
  const sign = { channel: () => icon("hash"), group: () => icon("lock") }[channel.kind]
    || (() => avatar({ name: channel.name, own: channel.with_app }));
  return entry(channel.id, sign, channel.name, unread, open);
}

const heading = (text) => ({ id: `side-${text}`, key: text, make: () => el("h2", {}, text) });

// Show the channels; `open` opens one of them, or `home`.
export function showSidebar(open) {
  const { channels, bot, people, users, me } = view.state;
  const group = (text, kinds) => {
    const found = channels.filter((channel) => kinds.includes(channel.kind));
    return found.length ? [heading(text), ...found.map((channel) => channelEntry(channel, open))] : [];
  };
  reconcile($("channels"), [
    ...group("Channels", ["channel", "group"]), ...group("Direct messages", ["im", "mpim"]),
    heading("Apps"), entry("home", () => avatar({ name: userName(bot), own: true }), `${userName(bot)} Home`, false, open),
  ]);
  const names = people.map((id) => userName(id) + (users[id].guest ? " (guest)" : ""));
  reconcile($("me"), people.map((id, index) => ({ id: `me-${id}`, key: `${names[index]} ${id === me}`,
    make: () => el("option", { value: id, selected: id === me }, names[index]) })));
}

// Arrow keys go from channel to channel.
export function beginSidebar() {
  $("channels").onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = [...$("channels").querySelectorAll("button")];
    all[Math.max(0, Math.min(all.length - 1, all.indexOf(document.activeElement) + step))].focus();
  };
}
