// Folds the objects and lists of JSON, and wraps or does not wrap the lines of a body. The text
// itself stays as it is, so what is selected and copied is all of it.

import { say } from "./texts.js";

/** Gives each object and list of the JSON below a node a button that folds it. */
export function showFolds(root) {
  for (const pre of root.querySelectorAll("pre.json")) {
    const folds = [...pre.querySelectorAll(".fold")];
    for (const fold of folds) fold.previousElementSibling.before(foldButton(fold));
    const buttons = [...pre.querySelectorAll("button.fold-toggle")];
    if (!buttons.length) continue;
    buttons[0].tabIndex = 0;
    pre.addEventListener("keydown", (event) => moveFocus(event, pre));
    pre.addEventListener("click", ({ target }) => {
      const button = target.closest("button.fold-toggle");
      if (button) setFolded(button, button.getAttribute("aria-expanded") === "true");
    });
  }
  for (const button of root.querySelectorAll("button[data-fold]")) {
    const pre = root.querySelector(button.dataset.fold);
    button.hidden = !pre?.querySelector("button.fold-toggle");
    button.addEventListener("click", () => {
      const isFolded = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", isFolded);
      // The outermost stays open, for it is the whole body.
      for (const toggle of [...pre.querySelectorAll("button.fold-toggle")].slice(1)) setFolded(toggle, isFolded);
    });
  }
  for (const button of root.querySelectorAll("button[data-wrap]")) {
    const pre = root.querySelector(button.dataset.wrap);
    if (!pre) continue;
    button.hidden = false;
    button.addEventListener("click", () => {
      const isWrapped = pre.classList.toggle("is-unwrapped") === false;
      button.setAttribute("aria-pressed", isWrapped);
    });
  }
}

function foldButton(fold) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "fold-toggle";
  button.tabIndex = -1; // one of all is reached by Tab, the others from it by the arrow keys
  button.setAttribute("aria-expanded", "true");
  const key = fold.previousElementSibling.previousElementSibling;
  button.setAttribute("aria-label", key?.classList.contains("json-key") ? key.textContent : say("Fold"));
  return button;
}

function setFolded(button, isFolded) {
  button.setAttribute("aria-expanded", !isFolded);
  button.nextElementSibling.nextElementSibling.hidden = isFolded;
}

function moveFocus(event, pre) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !event.target.matches("button.fold-toggle")) return;
  event.preventDefault();
  const shown = [...pre.querySelectorAll("button.fold-toggle")].filter((one) => one.getClientRects().length);
  const next = shown[shown.indexOf(event.target) + step];
  if (!next) return;
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}
