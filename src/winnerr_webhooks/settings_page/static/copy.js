// Copy buttons, and ids that are copied by a click.

import { announce } from "./dom.js";

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    announce("The browser did not allow copying.");
    return;
  }
  const before = button.textContent;
  button.textContent = "Copied";
  announce("Copied");
  setTimeout(() => { button.textContent = before; }, 1200);
}

/** Shows the buttons that only work with JavaScript, and makes ids buttons. */
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
