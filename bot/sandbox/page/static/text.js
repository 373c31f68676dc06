// Texts in Slack's own markup: mrkdwn, mentions, links and emoji.

import { el } from "./dom.js";
import { channelOf, userName, view } from "./sandbox.js";

export const unescape = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
const safe = (url) => /^(https?|mailto):/i.test(url);

const PERMALINK = /\/archives\/([CDG]\w+)\/p(\d{10})(\d{6})(?:\?thread_ts=([\d.]+))?/;

// Return the address of a link, null if it is unsafe: a message of this workspace opens in this page.
export function address(url) {
  const [, channel, seconds, rest, thread] = PERMALINK.exec(url) || [];
  if (channel) return { href: `#${view.me}/${channel}/${thread || `${seconds}.${rest}`}` };
  return safe(url) ? { href: url, target: "_blank", rel: "noopener noreferrer" } : null;
}

export function link(url, label) {
  const place = address(url);
  return place ? el("a", place, label) : label;
}

export const emoji = (name) => view.state.emoji[name.replace(/::skin-tone-\d$/, "")] || `:${name}:`;

function mention(id) {
  return el("span", { class: id === view.me ? "mention me" : "mention" }, "@" + userName(id));
}

export function bracketed(inside) {
  const [target, label] = inside.split("|", 2);
  if (target.startsWith("@")) return mention(target.slice(1));
  if (target.startsWith("#")) {
    const channel = channelOf(target.slice(1));
    return el("span", { class: "mention" }, "#" + (label || (channel ? channel.name : target.slice(1))));
  }
  if (target.startsWith("!date^")) return label || target;
  if (target.startsWith("!")) return el("span", { class: "mention me" }, "@" + target.slice(1));
  const url = unescape(target);
  return link(url, label ? unescape(label) : url.replace(/^mailto:/, ""));
}

const MRKDWN = /```\n?([\s\S]*?)\n?```\n?|`([^`\n]+)`|<([^<>\n]+)>|(?<![\w*])\*(?=\S)([^*\n]*[^*\s])\*(?![\w*])|(?<!\w)_(?=\S)([^_\n]*[^_\s])_(?!\w)|(?<![\w~])~(?=\S)([^~\n]*[^~\s])~(?![\w~])|:([a-z0-9_+-]+):/g;

function mrkdwn(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(MRKDWN)) {
    parts.push(unescape(text.slice(end, found.index)));
    const [whole, pre, code, inside, bold, italic, struck, name] = found;
    if (pre !== undefined) parts.push(el("pre", {}, unescape(pre)));
    else if (code !== undefined) parts.push(el("code", {}, unescape(code)));
    else if (inside !== undefined) parts.push(bracketed(inside));
    else if (bold !== undefined) parts.push(el("b", {}, mrkdwn(bold)));
    else if (italic !== undefined) parts.push(el("i", {}, mrkdwn(italic)));
    else if (struck !== undefined) parts.push(el("s", {}, mrkdwn(struck)));
    else parts.push(view.state.emoji[name] || whole);
    end = found.index + whole.length;
  }
  parts.push(unescape(text.slice(end)));
  return parts;
}

const CODE = /(```[\s\S]*?```\n?)/;

// Lines that begin with > are a quote, but not those of a code block.
export const quoted = (text) => text.split(CODE).map((part) => (CODE.test(part) ? mrkdwn(part) : quotes(part)));

function quotes(text) {
  const lines = text.split("\n");
  if (!lines.some((line) => line.startsWith("&gt;"))) return mrkdwn(text);
  return lines.map((line) => line.startsWith("&gt;")
    ? el("blockquote", {}, mrkdwn(line.slice(4).trimStart())) : [mrkdwn(line), "\n"]);
}

export function textObject(object) {
  if (object.type === "mrkdwn") return quoted(object.text);
  return object.text.replace(/:([a-z0-9_+-]+):/g, (whole, name) => view.state.emoji[name] || whole);
}

const RICH = {
  text: (part) => part.text,
  user: (part) => mention(part.user_id),
  channel: (part) => bracketed("#" + part.channel_id),
  broadcast: (part) => bracketed("!" + part.range),
  emoji: (part) => emoji(part.name),
  link: (part) => link(part.url, part.text || part.url),
};

function richPart(part) {
  const node = (RICH[part.type] || (() => `[${part.type}]`))(part);
  const style = part.style || {};
  return Object.entries({ code: "code", bold: "b", italic: "i", strike: "s" })
    .reduce((inner, [name, tag]) => (style[name] ? el(tag, {}, inner) : inner), node);
}

export function richText(block) {
  return block.elements.map((element) => {
    const inner = () => element.elements.map(richPart);
    if (element.type === "rich_text_list")
      return el(element.style === "ordered" ? "ol" : "ul", {}, element.elements.map((item) => el("li", {}, item.elements.map(richPart))));
    if (element.type === "rich_text_preformatted") return el("pre", {}, inner());
    if (element.type === "rich_text_quote") return el("blockquote", {}, inner());
    return el("div", { class: "text" }, inner());
  });
}
