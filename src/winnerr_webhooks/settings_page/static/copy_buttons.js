// Buttons that copy a text, and ids that copy themselves when clicked. What became of it is said
// above the button, so that nothing changes its width.

import { announce } from "./dom.js";
import { say } from "./texts.js";

const NOTE_MS = 1200;
const REFUSED_NOTE_MS = 6000;

async function copy(text, button, source) {
  const copied = await toClipboard(text, button);
  const selected = !copied && source && select(source);
  if (copied) show(button, say("Copied"), NOTE_MS);
  else show(button, say(selected ? "Press Ctrl+C to copy" : "The browser does not allow copying"), REFUSED_NOTE_MS);
}

// Over plain HTTP, and in a frame that may not use the clipboard, there is only the older way. The
// browser says which frames may, where asking the clipboard itself would be logged as an error.
async function toClipboard(text, button) {
  if (document.featurePolicy?.allowsFeature("clipboard-write") === false) return copySelection(text, button);
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelection(text, button);
  }
}

function copySelection(text, button) {
  const field = document.createElement("textarea");
  field.className = "visually-hidden";
  field.readOnly = true;
  field.setAttribute("aria-hidden", "true");
  button.after(field);
  field.value = text;
  field.select();
  const write = (event) => { // a field makes line feeds of carriage returns
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
  };
  field.addEventListener("copy", write);
  const copied = document.execCommand("copy");
  field.remove();
  button.focus({ preventScroll: true });
  return copied;
}

function select(source) {
  for (let part = source.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
  if (source.select) source.select();
  else getSelection().selectAllChildren(source);
  return true;
}

function show(button, note, time) {
  button.dataset.note = note;
  announce(note);
  clearTimeout(button.noteTimer);
  button.noteTimer = setTimeout(() => { delete button.dataset.note; }, time);
}

/** Shows the copy buttons below a node, and turns its ids into buttons. */
export function showCopyButtons(root) {
  for (const button of root.querySelectorAll("button[data-copy]")) {
    if (!document.querySelector(button.dataset.copy) && !root.querySelector(button.dataset.copy)) continue;
    button.hidden = false;
    button.addEventListener("click", () => {
      const source = document.querySelector(button.dataset.copy);
      copy(source.value ?? source.textContent, button, source);
    });
  }
  for (const id of root.querySelectorAll("code[data-copy-text]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "id";
    button.title = say("Copy {text}", { text: id.title });
    button.textContent = id.textContent;
    button.addEventListener("click", () => copy(id.dataset.copyText, button));
    id.replaceWith(button);
  }
}
