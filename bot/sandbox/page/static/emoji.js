// Emoji of the machine's own font. If it has none, those of emoji.svg.

const SIZE = 16;

// A machine without such a font draws an empty box, in one colour.
function hasFont() {
  const canvas = Object.assign(document.createElement("canvas"), { width: SIZE, height: SIZE });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.font = `${SIZE - 4}px sans-serif`;
  context.fillText("👍", 0, SIZE - 4);
  const { data } = context.getImageData(0, 0, SIZE, SIZE);
  return data.some((value, index) => index % 4 === 1 && value !== data[index - 1]);
}

const own = !hasFont();
let names = new Map();
let known = null;

// Learn the emoji that the sandbox knows: Slack's name → the character.
export function learn(emoji) {
  if (names.size) return;
  names = new Map(Object.entries(emoji).map(([name, character]) => [bare(character), name]));
  known = new RegExp(`(${[...names.keys()].join("|")})\\ufe0f?`, "gu");
}

const bare = (character) => character.replace("\ufe0f", "");

function drawn(character) {
  const NS = "http://www.w3.org/2000/svg";
  const [node, use, title] = ["svg", "use", "title"].map((tag) => document.createElementNS(NS, tag));
  title.textContent = character;
  node.setAttribute("class", "emoji");
  node.setAttribute("viewBox", "0 0 20 20");
  node.setAttribute("role", "img");
  use.setAttribute("href", `/page/emoji.svg#${names.get(bare(character))}`);
  node.append(title, use);
  return node;
}

// Return a text as nodes, with its emoji as pictures if this machine cannot draw them.
export function pictured(child) {
  if (!own || !known || typeof child !== "string") return child;
  const parts = [];
  let end = 0;
  for (const found of child.matchAll(known)) {
    parts.push(child.slice(end, found.index), drawn(found[0]));
    end = found.index + found[0].length;
  }
  return [...parts, child.slice(end)].filter((part) => part !== "");
}
