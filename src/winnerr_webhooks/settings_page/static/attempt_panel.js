// Opens an attempt below its row in the log. The URL changes with it, and Back closes it.

import { showCopyButtons } from "./copy_buttons.js";
import { announce, fetchHtml, nodesOf } from "./dom.js";
import { say } from "./texts.js";
import { showTimes } from "./times.js";

/** Makes the rows of the log open in place. The keyboard and the live log use the result. */
export function attemptOpener(attempts) {
  const logUrl = location.href;
  let opened = null; // { row, panel, link } of the open attempt
  let requested = ""; // the link that was opened last

  const close = ({ focus = true } = {}) => {
    if (!opened) return;
    opened.panel.remove();
    opened.row.classList.remove("is-open");
    opened.link.removeAttribute("aria-expanded");
    if (focus) opened.link.focus({ preventScroll: false });
    opened = null;
  };

  const show = async (link) => {
    requested = link.href;
    const text = await fetchHtml(link.href, "attempt");
    if (requested !== link.href) return;
    if (text === null) { location.assign(link.href); return; }
    close({ focus: false });
    const row = link.closest("tr");
    const panel = document.createElement("tr");
    panel.className = "panel-row";
    const cell = panel.insertCell();
    cell.colSpan = row.cells.length;
    cell.append(nodesOf(text));
    row.after(panel);
    row.classList.add("is-open");
    link.setAttribute("aria-expanded", "true");
    showTimes(panel);
    showCopyButtons(panel);
    opened = { row, panel, link };
    panel.querySelector("h1").focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
    announce(say("Attempt opened"));
  };

  const toggle = (link) => {
    if (opened?.link === link) {
      close();
      history.pushState(null, "", logUrl);
    } else {
      history.pushState({ attempt: link.closest("tr").id }, "", link.href);
      show(link);
    }
  };

  attempts.addEventListener("click", (event) => {
    const link = event.target.closest(".result a");
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    toggle(link);
  });

  addEventListener("popstate", (event) => {
    requested = "";
    const link = event.state?.attempt && document.getElementById(event.state.attempt)?.querySelector(".result a");
    if (link) show(link);
    else close();
  });

  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !opened || document.querySelector("dialog[open]")) return;
    close();
    history.pushState(null, "", logUrl);
  });

  return { toggle, isOpen: () => opened !== null };
}
