// The box in which one writes: formatting, files, and the completion of commands, people and emoji.

import { Completion } from "./completion.js";
import { el, iconButton } from "./dom.js";
import { act, userName, view } from "./sandbox.js";

// name of the icon: [label, before, after, key]
const MARKS = {
  bold: ["Bold", "*", "*", "b"], italic: ["Italic", "_", "_", "i"], strike: ["Strikethrough", "~", "~", null],
  code: ["Code", "`", "`", "e"], block: ["Code block", "```\n", "\n```", null],
};
const LINES = { list: ["Bulleted list", "• "], quote: ["Quote", "> "] };

function insert(box, before, after = "") {
  const { selectionStart: start, selectionEnd: end, value } = box;
  box.setRangeText(before + value.slice(start, end) + after, start, end, "end");
  if (start === end) box.selectionStart = box.selectionEnd = start + before.length;
  box.focus();
  box.dispatchEvent(new Event("input"));
}

// Put a mark before each selected line.
function prefix(box, mark) {
  const start = box.value.lastIndexOf("\n", box.selectionStart - 1) + 1;
  const lines = box.value.slice(start, box.selectionEnd);
  box.setRangeText(mark + lines.replaceAll("\n", "\n" + mark), start, box.selectionEnd, "end");
  box.focus();
  box.dispatchEvent(new Event("input"));
}

async function encoded(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return { name: file.name, type: file.type, content: btoa(text) };
}

// Return a form that posts to the open channel, or to the thread `threadTs`. `onSent` is called
// before the page shows what was sent.
export function composer({ id, label, hint, threadTs, onSent }) {
  const { me, channel } = view;
  const place = `${me} ${channel} ${threadTs || ""}`;
  const files = el("input", { type: "file", multiple: true, class: "unseen", tabindex: -1, "aria-label": "Files to attach" });
  const chosen = el("span", { class: "hint" }, hint);
  const box = el("textarea", { id, rows: 1, placeholder: label, autocomplete: "off", "aria-label": label });
  const button = iconButton("send", "Send", null, { type: "submit", class: "icon-button send" });
  const completion = new Completion(box);

  const grow = () => {
    view.drafts[place] = box.value;
    box.style.height = "auto";
    box.style.height = `${box.scrollHeight}px`;
    button.disabled = !box.value.trim() && !files.files.length;
  };
  files.onchange = () => {
    chosen.textContent = [...files.files].map((file) => file.name).join(", ") || hint;
    grow();
  };
  const send = async () => {
    const [text, picked] = [box.value.trim(), [...files.files]];
    if (!text && !picked.length) return;
    box.value = files.value = "";
    files.onchange();
    onSent();
    // Takes a while, in which people press Enter again, or go to another channel or person.
    const attached = await Promise.all(picked.map(encoded));
    const answer = await act({ user: me, do: text.startsWith("/") ? "command" : "post", channel, text, thread_ts: threadTs, files: attached });
    if (answer.notice && !box.value) { box.value = text; grow(); }  // To be mended.
  };
  box.oninput = () => { grow(); completion.update(); };
  box.onkeydown = (event) => {
    if (completion.pressed(event)) return;
    const mark = (event.ctrlKey || event.metaKey) && !event.shiftKey && Object.values(MARKS).find(([, , , key]) => key === event.key);
    if (mark) { event.preventDefault(); insert(box, mark[1], mark[2]); }
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(); }
  };
  const begin = (trigger) => () => {
    insert(box, /\S$/.test(box.value.slice(0, box.selectionStart)) ? ` ${trigger}` : trigger);
  };
  const form = el("form", { class: "composer", onsubmit: (event) => { event.preventDefault(); send(); } },
    el("div", { class: "formats", role: "toolbar", "aria-label": "Formatting" },
      Object.entries(MARKS).map(([name, [said, before, after]]) => iconButton(name, said, () => insert(box, before, after))),
      Object.entries(LINES).map(([name, [said, mark]]) => iconButton(name, said, () => prefix(box, mark)))),
    box,
    el("div", { class: "sending" },
      iconButton("plus", "Attach a file", () => files.click()), files,
      iconButton("at", "Mention someone", begin("@")), iconButton("smile", "Insert an emoji", begin(":")),
      chosen, button),
    completion.list);
  box.value = view.drafts[place] || "";
  button.disabled = !box.value;
  return form;
}

export const askHint = () => `@${userName(view.state.bot)} to ask · ${Object.keys(view.state.commands).join(" ")} for commands`;
