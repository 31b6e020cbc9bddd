// In the drawer, where the parts of an attempt do not fit beside each other, each has a tab. The
// others are still found by a search in the page, which turns to them.

/** Shows the tabs below a node: `chosen` is the id of one, or null for the one of the server. */
export function showTabs(root, chosen = null) {
  const list = root.querySelector("[role='tablist']");
  if (!list) return;
  list.hidden = false;
  for (const tab of list.children) {
    const panel = root.querySelector(`#${tab.getAttribute("aria-controls")}`);
    panel.setAttribute("role", "tabpanel");
  }
  choose(root, chosen ?? chosenTab(root));
}

/** Returns the id of the chosen tab below a node; null if it shows none. */
export function chosenTab(root) {
  return root.querySelector("[role='tablist']:not([hidden]) [aria-selected='true']")?.id ?? null;
}

/** Lets a user turn the tabs below a node, by a click, the arrow keys, or a search in the page. */
export function turnTabs(root) {
  root.addEventListener("click", ({ target }) => {
    const tab = target.closest("[role='tab']");
    if (tab) choose(root, tab.id);
  });
  root.addEventListener("keydown", (event) => {
    const tabs = [...(event.target.closest("[role='tablist']")?.children ?? [])];
    if (!tabs.length || !["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    const isForward = (event.key === "ArrowRight") === (getComputedStyle(event.target).direction === "ltr");
    const next = tabs.at((tabs.indexOf(event.target) + (isForward ? 1 : -1)) % tabs.length);
    const other = { Home: tabs[0], End: tabs.at(-1) }[event.key] ?? next;
    choose(root, other.id);
    other.focus();
  });
  root.addEventListener("beforematch", ({ target }) => choose(root, `${target.id}-tab`));
}

function choose(root, id) {
  for (const tab of root.querySelectorAll("[role='tab']")) {
    const isChosen = tab.id === id;
    const panel = root.querySelector(`#${tab.getAttribute("aria-controls")}`);
    tab.setAttribute("aria-selected", isChosen);
    tab.tabIndex = isChosen ? 0 : -1;
    if (isChosen) panel.removeAttribute("hidden");
    else panel.setAttribute("hidden", "until-found");
  }
}
