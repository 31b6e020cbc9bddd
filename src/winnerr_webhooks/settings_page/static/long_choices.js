// A choice of hundreds gets its options when somebody turns to it: a browser makes elements of each of
// them for the first paint, although the choice is closed. Without scripts, they are there at once.

import { nodesOf } from "./dom.js";

/**
 * Fills the long choices of this page once the pointer or the focus is on them. What somebody has
 * chosen is there again after Back, where the browser restores the other choices: it cannot restore an
 * option that is not there yet.
 */
export function fillLongChoices() {
  const isBack = performance.getEntriesByType("navigation")[0]?.type === "back_forward";
  for (const rest of document.querySelectorAll("select > noscript")) {
    const choice = rest.parentElement;
    const fill = () => rest.replaceWith(nodesOf(rest.textContent));
    for (const type of ["pointerenter", "focus"]) choice.addEventListener(type, fill, { once: true });
    choice.addEventListener("change", () => {
      history.replaceState({ ...history.state, [choice.id]: choice.value }, "");
    });
    const chosen = isBack ? history.state?.[choice.id] : undefined;
    if (chosen !== undefined || choice.matches(":focus, :hover")) fill();
    const option = [...choice.options].find(({ value }) => value === chosen);
    if (option) option.selected = true;
  }
}
