// Tables. Those of numbers and names can be sorted by each column, and are shown in pages.

import { el, icon, iconButton } from "./dom.js";

// A wide table scrolls in itself, also with the keyboard.
export const scrolling = (table) => el("div", { class: "scroll" }, table);

const tableOf = (event) => event.currentTarget.closest(".table");

// Return the rows of a table; a cell is `{ class, content, value }`.
export function rowsOf(head, body, rowHeader) {
  const cell = (each, column) => el(column === rowHeader ? "th" : "td",
    { class: each.class, scope: column === rowHeader && "row", "data-value": each.value }, each.content);
  return [
    el("thead", {}, el("tr", {}, head.map((each) => el("th", { class: each.class, scope: "col" }, each.content)))),
    el("tbody", {}, body.map((row, index) => el("tr", { "data-index": index }, row.map(cell)))),
  ];
}

// Draw a block of type `table` or `data_table`. `cell` draws what is in a cell of rich text.
export function tableBlock(block, rich) {
  const [first, ...rest] = block.rows;
  const settings = block.column_settings || [];
  const isData = block.type === "data_table";
  const cell = (value, column) => {
    const setting = settings[column] || {};
    const kinds = [rest[0]?.[column]?.type === "raw_number" && "number", setting.align, setting.is_wrapped && "wrapped"];
    return {
      class: kinds.filter(Boolean).join(" "),
      content: value.type === "rich_text" ? rich(value) : value.text,
      value: isData ? value.value ?? value.text ?? "" : null,
    };
  };
  const head = first.map(cell);
  if (isData) for (const [column, each] of head.entries()) each.content = sorter(each.content, column);
  const body = rest.map((row) => row.map(cell));
  const table = el("table", {}, block.caption && el("caption", {}, block.caption), rowsOf(head, body, block.row_header_column_index));
  const node = el("div", { class: "table", "data-size": block.page_size }, scrolling(table), el("div", { class: "pages" }));
  node.key = JSON.stringify(block);
  showPage(node, 0);
  return node;
}

const sorter = (text, column) => el("button", { type: "button", class: "sorter", onclick: (event) => sort(event, column) }, text, icon("sort"));

const ORDER = { "": "ascending", ascending: "descending", descending: "" };

function sort(event, column) {
  const node = tableOf(event);
  const header = event.currentTarget.closest("th");
  const order = ORDER[header.getAttribute("aria-sort") || ""];
  for (const each of node.querySelectorAll("thead th")) {
    each.removeAttribute("aria-sort");
    each.querySelector(".icon").replaceWith(icon(each === header && order ? order : "sort"));
  }
  if (order) header.setAttribute("aria-sort", order);
  const value = (row) => row.cells[column].dataset.value || "";
  const direction = order === "descending" ? -1 : 1;
  const rows = [...node.querySelectorAll("tbody tr")].sort((one, other) => (order ? direction * compare(value(one), value(other)) : 0)
    || one.dataset.index - other.dataset.index);
  node.querySelector("tbody").replaceChildren(...rows);
  showPage(node, 0);
}

function compare(one, other) {
  const numbers = [one, other].map(Number);
  return one && other && numbers.every(Number.isFinite) ? numbers[0] - numbers[1] : one.localeCompare(other, undefined, { numeric: true });
}

function showPage(node, page) {
  const rows = [...node.querySelectorAll("tbody tr")];
  const size = Number(node.dataset.size) || rows.length;
  rows.forEach((row, index) => { row.hidden = Math.floor(index / size) !== page; });
  if (rows.length <= size) return;
  const turn = (to) => (event) => {
    const label = event.currentTarget.getAttribute("aria-label");
    showPage(tableOf(event), to);
    node.querySelector(`.pages [aria-label="${label}"]`).focus();
  };
  const [begin, end] = [page * size, Math.min((page + 1) * size, rows.length)];
  node.querySelector(".pages").replaceChildren(
    el("span", { role: "status" }, `${begin + 1}–${end} of ${rows.length}`),
    iconButton("back", "Previous page", turn(page - 1), { disabled: !page }),
    iconButton("back", "Next page", turn(page + 1), { class: "icon-button next", disabled: end === rows.length }));
}
