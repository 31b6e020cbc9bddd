// Opens an attempt below its row, with its own address; back closes it.

import { showCopyButtons } from "./copy.js";
import { announce, fetchHtml, nodesOf } from "./dom.js";
import { showTimes } from "./time.js";

/** Makes rows open in place; gives what the keyboard and the live tail need of it. */
export function openInPlace(attempts) {
  const home = location.href;
  let opened = null; // { row, panel, link }
  let wanted = "";

  const close = ({ focus = true } = {}) => {
    if (!opened) return;
    opened.panel.remove();
    opened.row.classList.remove("is-open");
    opened.link.removeAttribute("aria-expanded");
    if (focus) opened.link.focus({ preventScroll: false });
    opened = null;
  };

  const show = async (link) => {
    wanted = link.href;
    const text = await fetchHtml(link.href, "attempt");
    if (wanted !== link.href) return;
    if (text === null) { location.assign(link.href); return; }
    close({ focus: false });
    const row = link.closest("tr");
    const panel = document.createElement("tr");
    panel.className = "opened";
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
    announce("Attempt opened");
  };

  const toggle = (link) => {
    if (opened?.link === link) {
      close();
      history.pushState(null, "", home);
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
    wanted = "";
    const link = event.state?.attempt && document.getElementById(event.state.attempt)?.querySelector(".result a");
    if (link) show(link);
    else close();
  });

  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !opened || document.querySelector("dialog[open]")) return;
    close();
    history.pushState(null, "", home);
  });

  return { toggle, isOpen: () => opened !== null };
}
