// Opens an attempt in a drawer beside the log. The URL changes with it, and Back closes it. In a
// frame, which is as tall as its page, the attempt opens below its row instead (see page.css).

import { showCopyButtons } from "./copy_buttons.js";
import { announce, fetchHtml, nodesOf } from "./dom.js";
import { showTabs, turnTabs } from "./exchange_tabs.js";
import { showFolds } from "./json_view.js";
import { say } from "./texts.js";
import { showTimes } from "./times.js";

/** Makes the rows of the log open in place. The keyboard and the live log use the result. */
export function attemptOpener(attempts) {
  const styled = loadStyles();
  const logUrl = location.href;
  let opened = null; // { row, panel, drawer, link, href } of the open attempt
  let requested = ""; // the URL that was asked for last

  const close = ({ focus = true } = {}) => {
    if (!opened) return;
    opened.panel.remove();
    opened.row.classList.remove("is-open");
    opened.link.removeAttribute("aria-expanded");
    if (focus) opened.link.focus({ preventScroll: false });
    opened = null;
  };

  const closeToLog = () => {
    close();
    history.pushState(null, "", logUrl);
  };

  const show = async (link, href = link.href) => {
    requested = href;
    const [text] = await Promise.all([fetchHtml(href, "attempt"), styled]);
    if (requested !== href) return;
    if (text === null) { location.assign(href); return; }
    if (opened?.link !== link) {
      close({ focus: false });
      opened = { ...addPanel(attempts, link), link };
    }
    opened.href = href;
    const { drawer } = opened;
    drawer.replaceChildren(nodesOf(text));
    if (!isFramed()) showTabs(drawer);
    drawer.scrollTop = 0;
    showTimes(drawer);
    showCopyButtons(drawer);
    showFolds(drawer);
    drawer.querySelector("h1").focus({ preventScroll: true });
    opened.row.scrollIntoView({ block: "nearest" });
    announce(say("Attempt opened"));
  };

  const open = (link, href = link.href) => {
    history.pushState({ attempt: link.closest("tr").id, href }, "", href);
    show(link, href);
  };

  const toggle = (link) => {
    if (opened?.link === link) closeToLog();
    else open(link);
  };

  attempts.addEventListener("click", (event) => {
    if (event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (event.target.closest("[data-close]")) { closeToLog(); return; }
    const link = event.target.closest(".result a, a[data-attempt]");
    if (!link) return;
    event.preventDefault();
    if (opened?.drawer.contains(link)) open(opened.link, link.href);
    else toggle(link);
  });

  turnTabs(attempts);

  addEventListener("popstate", ({ state }) => {
    requested = "";
    const link = state?.attempt && document.getElementById(state.attempt)?.querySelector(".result a");
    if (link) show(link, state.href);
    else close();
  });

  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !opened || document.querySelector("dialog[open]")) return;
    closeToLog();
  });

  return { toggle, open, isOpen: () => opened !== null, openLink: () => opened?.link ?? null };
}

// The styles of an attempt are not needed for the first paint of a log. They stand before those of the
// product, which may change them.
function loadStyles() {
  const link = document.createElement("link");
  Object.assign(link, { rel: "stylesheet", href: new URL("./attempt.css", import.meta.url) });
  const loaded = new Promise((done) => { link.onload = link.onerror = done; });
  document.querySelector("link[rel='stylesheet']").after(link);
  return loaded;
}

function isFramed() {
  return document.documentElement.classList.contains("framed");
}

// In a frame the panel is a row of the table. Otherwise it stands after the table, for even an empty
// row would move those below it.
function addPanel(attempts, link) {
  const row = link.closest("tr");
  const drawer = document.createElement("div");
  drawer.className = "drawer";
  let panel = drawer;
  if (isFramed()) {
    panel = document.createElement("tr");
    panel.className = "panel-row";
    panel.setAttribute("role", "row");
    const cell = panel.insertCell();
    cell.setAttribute("role", "cell");
    cell.colSpan = row.cells.length;
    cell.append(drawer);
    row.after(panel);
  } else {
    attempts.append(drawer);
  }
  row.classList.add("is-open");
  link.setAttribute("aria-expanded", "true");
  return { row, panel, drawer };
}
