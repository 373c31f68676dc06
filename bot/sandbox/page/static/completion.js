// Complete what is typed: a command behind /, a person behind @, an emoji behind a colon.

import { el } from "./dom.js";
import { view } from "./sandbox.js";

const MOST = 8;

// Each of these finds what is typed in the text before the cursor, and returns what fits:
// `{ text, label, detail }`, of which `text` replaces what was typed.
const KINDS = [
  {
    typed: /^\/[\w-]*$/,
    options: (typed) => Object.entries(view.state.commands).filter(([name]) => name.startsWith(typed))
      .map(([name, usage]) => ({ text: `${name} `, label: name, detail: usage })),
  },
  {
    typed: /^\/[\w-]+ +[\w-]*$/,
    options: (typed) => {
      const [name, begun] = typed.split(/ +/);
      return (view.state.commands[name] || "").split("|").map((each) => each.trim()).filter((each) => each.startsWith(begun) && each.split(" ")[0] !== begun)
        .map((each) => ({ text: `${name} ${each.split(" ")[0]} `, label: `${name} ${each}` }));
    },
  },
  {
    typed: /(?<![\w@])@[\w.-]*$/,
    options: (typed) => Object.values(view.state.users).filter(({ name }) => name.toLowerCase().startsWith(typed.slice(1).toLowerCase()))
      .sort((one, other) => other.bot - one.bot)
      .map((each) => ({ text: `@${each.name} `, label: `@${each.name}`, detail: each.bot ? "App" : each.guest ? "Guest" : "" })),
  },
  {
    typed: /(?<![\w:]):[a-z0-9_+-]*$/,
    options: (typed) => Object.entries(view.state.emoji).filter(([name]) => name.includes(typed.slice(1)))
      .map(([name, character]) => ({ text: `:${name}: `, label: [character, ` :${name}:`] })),
  },
];

// A list of options above a text area, which keeps the focus; see the ARIA pattern "combobox".
export class Completion {
  constructor(box) {
    this.box = box;
    this.list = el("ul", { class: "completion", id: `${box.id}-options`, role: "listbox", "aria-label": "Completions", hidden: true });
    this.options = [];
    this.chosen = 0;
    for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-controls": this.list.id, "aria-expanded": "false" }))
      box.setAttribute(name, value);
    box.onblur = () => this.show([]);
  }

  update() {
    const before = this.box.value.slice(0, this.box.selectionStart);
    for (const { typed, options } of KINDS) {
      const found = typed.exec(before);
      if (!found) continue;
      this.start = found.index;
      return this.show(options(found[0]).slice(0, MOST));
    }
    this.show([]);
  }

  show(options) {
    this.options = options;
    this.list.hidden = !options.length;
    this.box.setAttribute("aria-expanded", String(Boolean(options.length)));
    this.list.replaceChildren(...options.map((each, index) => el("li", {
      id: `${this.list.id}-${index}`, role: "option",
      // Not a click: that would first take the focus from the text.
      onpointerdown: (event) => { event.preventDefault(); this.take(each); },
    }, el("b", {}, each.label), each.detail && el("small", {}, each.detail))));
    this.choose(0);
  }

  choose(index) {
    this.chosen = index;
    [...this.list.children].forEach((each, place) => each.setAttribute("aria-selected", String(place === index)));
    if (this.options.length) this.box.setAttribute("aria-activedescendant", `${this.list.id}-${index}`);
    else this.box.removeAttribute("aria-activedescendant");
  }

  take(option) {
    this.box.setRangeText(option.text, this.start, this.box.selectionStart, "end");
    this.box.dispatchEvent(new Event("input"));
  }

  // Return true if the key was for the list.
  pressed(event) {
    const many = this.options.length;
    if (!many || event.isComposing) return false;
    if (event.key === "ArrowDown") this.choose((this.chosen + 1) % many);
    else if (event.key === "ArrowUp") this.choose((this.chosen + many - 1) % many);
    else if (event.key === "Enter" || event.key === "Tab") this.take(this.options[this.chosen]);
    else if (event.key === "Escape") this.show([]);
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }
}
