// Buttons that copy a text, and ids that copy themselves when clicked.

import { announce } from "./dom.js";

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    announce("The browser did not allow copying.");
    return;
  }
  const label = button.textContent;
  button.textContent = "Copied";
  announce("Copied");
  setTimeout(() => { button.textContent = label; }, 1200);
}

/** Shows the copy buttons below a node, and turns its ids into buttons. */
export function showCopyButtons(root) {
  for (const button of root.querySelectorAll("button[data-copy]")) {
    const source = document.querySelector(button.dataset.copy) ?? root.querySelector(button.dataset.copy);
    if (!source) continue;
    button.hidden = false;
    button.addEventListener("click", () => copy(source.value ?? source.textContent, button));
  }
  for (const id of root.querySelectorAll("code[data-copy-text]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "id";
    button.title = `Copy ${id.title}`;
    button.textContent = id.textContent;
    button.addEventListener("click", () => copy(id.dataset.copyText, button));
    id.replaceWith(button);
  }
}
