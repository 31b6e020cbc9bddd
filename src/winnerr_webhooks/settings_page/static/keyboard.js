// Keyboard shortcuts: j and k move, enter opens, r replays, / searches, ? shows the help.
// Single keys can be turned off (WCAG 2.1.4), because speech input and shaking hands press them too.

import { replayByKey } from "./replay_dialog.js";

const STORED = "webhooks-shortcuts";

function storedOff() {
  try { return localStorage.getItem(STORED) === "off"; } catch { return false; }
}

function store(off) {
  try {
    if (off) localStorage.setItem(STORED, "off");
    else localStorage.removeItem(STORED);
  } catch { /* A frame may have no storage; then the choice lasts as long as the page. */ }
}

/** Listens for shortcuts, except while the user types. Without a log, both arguments are null. */
export function startKeyboard(attempts, opener) {
  const help = document.getElementById("keyboard-help");
  if (!help) return;
  const setting = help.querySelector("#shortcuts");
  let off = storedOff();
  let selected = null;

  const links = () => [...attempts.querySelectorAll("#rows > tr:not(.panel-row) .result a")];
  const current = () => {
    const row = document.activeElement?.closest?.("tr");
    return opener?.openLink() ?? row?.querySelector(".result a") ?? (selected?.isConnected ? selected : null);
  };
  const move = (step) => {
    const all = links();
    const index = all.indexOf(current());
    selected = all[Math.min(Math.max(index + step, 0), all.length - 1)];
    if (opener.isOpen()) {
      if (selected && selected !== all[index]) opener.open(selected);
      return;
    }
    selected?.focus();
    selected?.scrollIntoView({ block: "nearest" });
  };
  const replay = () => {
    const row = attempts ? current()?.closest("tr") : null;
    const button = row?.querySelector(".next button") ?? document.querySelector("form.replay button");
    if (button) replayByKey(button);
  };
  const shortcuts = {
    j: () => attempts && move(1),
    k: () => attempts && move(-1),
    r: () => replay(),
    "/": () => document.getElementById("f-q")?.focus(),
    "?": () => help.showModal(),
  };

  setting.checked = !off;
  setting.addEventListener("change", () => {
    off = !setting.checked;
    store(off);
  });
  const open = document.getElementById("keyboard");
  open.hidden = false;
  open.addEventListener("click", () => help.showModal());

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest?.("input, select, textarea, dialog, [contenteditable]")) return;
    if (event.key === "Enter" && attempts && event.target === document.body && selected?.isConnected) {
      opener.toggle(selected);
      return;
    }
    const shortcut = off ? null : shortcuts[event.key];
    if (!shortcut) return;
    event.preventDefault();
    shortcut();
  });
}
