// The sandbox: what this person sees of it, and the actions that the person can do.

import { learn } from "./emoji.js";

// `thread` is the `ts` of the open thread, `seen` the newest message read of each channel, `drafts`
// what is typed and not sent, and `pressed` the feedback given in each message, all of each person.
export const view = { me: null, channel: null, thread: null, seen: {}, drafts: {}, pressed: {}, state: null };

export const userName = (id) => (view.state.users[id] || { name: id || "unknown user" }).name;
export const channelOf = (id) => view.state.channels.find((channel) => channel.id === id);
export const current = () => channelOf(view.channel);

const POLL_MS = 250;
const AWAY_MS = 2000;
let changed = () => {};
let notice = () => {};

// Begin to follow the sandbox. `onChange` is called after each change, `onNotice` with an error.
export function follow(onChange, onNotice) {
  [changed, notice] = [onChange, onNotice];
  watch();
}

// Do something as this person. Returns the mistakes of a submitted form by block, and in `notice`
// why it failed.
export async function act(body) {
  let answer;
  try {
    const response = await fetch("/page/act", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ user: view.me, ...body }),
    });
    answer = response.ok ? await response.json() : { notice: `The sandbox failed (status ${response.status}). Try again.` };
  } catch {
    answer = { notice: "The sandbox does not answer. Start it again; this page then reconnects." };
  }
  if (!answer.notice) await refresh();
  else if (!answer.errors) notice(answer.notice);
  return answer;
}

let sent = 0;
let answered = 0;

export async function refresh() {
  const [asked, turn] = [view.me, ++sent];
  const after = view.state && view.state.me === asked ? view.state.version : "";
  const response = await fetch("/page/state?" + new URLSearchParams({ user: asked || "", after })).catch(() => null);
  document.body.classList.toggle("offline", !response);
  if (!response || response.status !== 200) return;
  const state = await response.json();
  // The answer to a later request was faster, or the person has changed meanwhile.
  if (turn < answered || asked !== view.me) return;
  answered = turn;
  // Else :constructor: would be found, as each object has one.
  for (const named of [state.emoji, state.users]) Object.setPrototypeOf(named, null);
  learn(state.emoji);
  view.state = state;
  view.me = state.me;
  changed();
}

async function watch() {
  try { await refresh(); }
  finally { setTimeout(watch, document.hidden || document.body.classList.contains("offline") ? AWAY_MS : POLL_MS); }
}
