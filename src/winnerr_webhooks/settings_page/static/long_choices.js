// A choice of hundreds gets its options when somebody turns to it: a browser makes elements of each of
// them for the first paint, although the choice is closed. Without scripts, they are there at once.

import { nodesOf } from "./dom.js";

/** Fills the long choices of this page once the pointer or the focus is on them. */
export function fillLongChoices() {
  for (const rest of document.querySelectorAll("select > noscript")) {
    const fill = () => rest.replaceWith(nodesOf(rest.textContent));
    for (const type of ["pointerenter", "focus"]) rest.parentElement.addEventListener(type, fill, { once: true });
  }
}
