// Markdown, by the rules of CommonMark and with the tables of GitHub.

import { el } from "./dom.js";
import { bracketed, link } from "./text.js";
import { view } from "./sandbox.js";
import { rowsOf, scrolling } from "./tables.js";

// As in Slack, a bare address goes on to the next space, also if the end of its emphasis is before that.
const MARKDOWN = /(`+)([^`\n](?:[^\n]*?[^`\n])?)\1(?!`)|(\*\*|__)(?=\S)((?:https?:\/\/[^\s<>)]+(?=[\s<>)]|$)|(?!\3|https?:\/\/)[^\n])*\S)\3|([*_])(?=\S)((?:https?:\/\/[^\s<>)]+(?=[\s<>)]|$)|(?!\5|https?:\/\/)[^\n])*(?!\5)\S)\5(?!\5)|~~(?=\S)((?:https?:\/\/[^\s<>)]+(?=[\s<>)]|$)|(?!~~|https?:\/\/)[^\n])*\S)~~|\[((?:\\.|[^\]\\\n])+)\]\(([^)\s]+)\)|<((?:[@#!]|https?:|mailto:)[^<>\s]+)>|:([a-z0-9_+-]+):|\\([!-/:-@[-`{-~])|(https?:\/\/[^\s<>)]*[^\s<>).,:;!?'"\]])/g;

// CommonMark: whether marks open or close emphasis is decided by what is beside them.
const PUNCTUATION = /[\p{P}\p{S}]/u;
const flanks = (inside, outside) => !PUNCTUATION.test(inside) || !outside || /\s/.test(outside) || PUNCTUATION.test(outside);

function emphasised(text, found, mark, inner) {
  const [before, after] = [text[found.index - 1], text[found.index + found[0].length]];
  const inWord = mark[0] === "_" && [before, after].some((each) => each && /[\p{L}\p{N}]/u.test(each));
  return !inWord && flanks(inner[0], before) && flanks(inner[inner.length - 1], after);
}

function inlineMarkdown(text) {
  const parts = [];
  let end = 0;
  const search = new RegExp(MARKDOWN);
  for (let found = search.exec(text); found; found = search.exec(text)) {
    const [whole, , code, twice, bold, once, italic, struck, label, url, inside, name, escaped, bare] = found;
    const mark = twice || once || (struck !== undefined ? "~~" : "");
    if (mark && !emphasised(text, found, mark, bold || italic || struck)) {
      search.lastIndex = found.index + mark.length;
      continue;
    }
    parts.push(text.slice(end, found.index));
    if (code !== undefined) parts.push(el("code", {}, code));
    else if (bold !== undefined) parts.push(el("b", {}, inlineMarkdown(bold)));
    else if (italic !== undefined) parts.push(el("i", {}, inlineMarkdown(italic)));
    else if (struck !== undefined) parts.push(el("s", {}, inlineMarkdown(struck)));
    else if (url !== undefined) parts.push(link(url, label.replace(/\\(.)/g, "$1")));
    else if (inside !== undefined) parts.push(bracketed(inside));
    else if (escaped !== undefined) parts.push(escaped);
    else if (bare !== undefined) parts.push(link(bare, bare));
    else parts.push(view.state.emoji[name] || whole);
    end = found.index + whole.length;
  }
  parts.push(text.slice(end));
  return parts;
}

export const markdownBlock = (text) => el("div", { class: "markdown" }, markdownParts(text.split("\n")));

const FENCE = /^( {0,3})(`{3,}|~{3,})([^`]*)$/;
const ITEM = /^( {0,3}(?:[-*+]|\d{1,9}[.)]) )( {0,3}(?! ))(.*)$/;
const HEADING = /^ {0,3}#{1,6}\s+(.*)$/;
const RULE = /^ {0,3}([-*_])(?: *\1){2,} *$/;
const QUOTE = /^ {0,3}> ?/;
const COLUMNS = /^[\s|]*:?-+:?\s*(\|[\s|:-]*)?$/;
const unindented = (line, room) => line.replace(new RegExp(`^ {0,${room}}`), "");

// Each of these takes its lines from the front of the list and returns a node.
function markdownParts(lines) {
  lines = [...lines];
  const nodes = [];
  while (lines.length) {
    const line = lines[0];
    if (!line.trim()) lines.shift();
    else if (FENCE.test(line)) nodes.push(fence(lines));
    else if (/^ {4}/.test(line)) nodes.push(el("pre", {}, taken(lines, (each) => !each.trim() || /^ {4}/.test(each)).map((each) => unindented(each, 4)).join("\n").trimEnd()));
    else if (HEADING.test(line)) nodes.push(el("h3", {}, inlineMarkdown(HEADING.exec(lines.shift())[1])));
    else if (RULE.test(line)) { lines.shift(); nodes.push(el("hr", { class: "block-divider" })); }
    else if (QUOTE.test(line)) nodes.push(el("blockquote", {}, markdownParts(taken(lines, (each) => QUOTE.test(each)).map((each) => each.replace(QUOTE, "")))));
    else if (ITEM.test(line)) nodes.push(listOf(lines));
    else if (line.includes("|") && COLUMNS.test(lines[1] || "") && lines[1].includes("|")) nodes.push(pipes(taken(lines, (each) => each.includes("|"))));
    else nodes.push(el("div", { class: "text" }, inlineMarkdown([lines.shift(), ...taken(lines, continues)].join("\n"))));
  }
  return nodes;
}

function taken(lines, fits) {
  const end = lines.findIndex((line) => !fits(line));
  return lines.splice(0, end < 0 ? lines.length : end);
}

const continues = (line) => line.trim() && ![FENCE, HEADING, RULE, QUOTE, ITEM].some((each) => each.test(line));

function fence(lines) {
  const [, room, mark] = FENCE.exec(lines.shift());
  const closes = new RegExp(`^ {0,3}\\${mark[0]}{${mark.length},} *$`);
  const code = taken(lines, (line) => !closes.test(line));
  lines.shift();
  return el("pre", {}, code.map((line) => unindented(line, room.length)).join("\n"));
}

function listOf(lines) {
  const kind = (line) => { const found = ITEM.exec(line); return found && found[1].trim().slice(-1); };
  const mark = kind(lines[0]);
  const number = parseInt(lines[0], 10);
  const items = [];
  while (lines.length && kind(lines[0]) === mark && !RULE.test(lines[0])) {
    const [, before, more, text] = ITEM.exec(lines.shift());
    const room = before.length + more.length;
    const inside = new RegExp(`^ {${room}}`);
    let empty = false;
    const rest = taken(lines, (line) => {
      const fits = !line.trim() || inside.test(line) || (!empty && continues(line));
      empty = !line.trim();
      return fits;
    });
    items.push(el("li", {}, markdownParts([text, ...rest.map((line) => unindented(line, room))])));
  }
  return mark === "." || mark === ")" ? el("ol", { start: String(number) }, items) : el("ul", {}, items);
}

function pipes(lines) {
  // A | behind a backslash ends no cell, also in code, where it is shown without the backslash.
  const cells = (line) => line.trim().replace(/^\||(?<!\\)\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
  const sides = cells(lines[1]).map((cell) => /^-+:$/.test(cell) ? "right" : /^:-+:$/.test(cell) ? "center" : "");
  const rows = [lines[0], ...lines.slice(2)].map((line) => cells(line).slice(0, sides.length));
  const [head, ...body] = rows.map((row) => row.map((cell, column) => ({ class: sides[column], content: inlineMarkdown(cell) })));
  return scrolling(el("table", {}, rowsOf(head, body)));
}
