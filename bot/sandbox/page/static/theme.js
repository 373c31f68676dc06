// Light or dark: as the system has it, until somebody chooses.

import { $, icon } from "./dom.js";

const NEXT = { system: "light", light: "dark", dark: "system" };
const LOOKS = { system: ["half", "as the system"], light: ["sun", "light"], dark: ["moon", "dark"] };
const PLACE = "tracebot-theme";

// Storage may be forbidden; the choice then lasts as long as the page.
function stored() {
  try { return localStorage.getItem(PLACE); } catch { return null; }
}

function store(theme) {
  try { localStorage.setItem(PLACE, theme); } catch { /* See above. */ }
}

function use(theme) {
  document.documentElement.dataset.theme = theme;
  const [look, said] = LOOKS[theme];
  const button = $("theme");
  button.title = button.ariaLabel = `Theme: ${said}. Switch to ${LOOKS[NEXT[theme]][1]}.`;
  button.replaceChildren(icon(look));
  button.onclick = () => { store(NEXT[theme]); use(NEXT[theme]); };
}

export const beginTheme = () => use(LOOKS[stored()] ? stored() : "system");
