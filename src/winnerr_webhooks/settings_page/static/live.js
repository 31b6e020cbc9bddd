// New attempts as they come. Rows never move under the cursor: while something is open, or the
// table is scrolled or pointed at, they wait behind a "12 new" bar.

import { announce, nodesOf } from "./dom.js";
import { showTimes } from "./time.js";

const MOST_ROWS = 500;
// To a new connection the server sends anew what is up to ten seconds older than the last row it
// had, which may itself have come ten seconds late; at most 500 rows a second.
const MOST_KNOWN = 10_000;
const RETRY_MS = 15_000;

/** Starts the live tail of the log; gives what the keyboard needs of it. */
export function startLive(attempts, opener) {
  if ("still" in attempts.dataset) return null;
  const button = document.getElementById("live");
  const act = document.getElementById("live-act");
  const bar = document.getElementById("fresh");
  const waiting = [];
  let source = null;
  let retry = 0;
  let paused = false;
  let behind = false;
  let planned = false;
  const shown = Array.from(attempts.querySelectorAll("tbody tr[id]"), (row) => row.id);
  const known = new Set(shown.reverse());
  let newest = shown.at(-1) ?? attempts.dataset.begins;

  const busy = () => opener.isOpen() || scrollY > 80 || attempts.matches(":hover") ||
    attempts.contains(document.activeElement);

  const insert = (rows) => {
    const body = document.getElementById("rows");
    if (!body) { location.reload(); return; }
    for (const row of rows) {
      for (const older of body.querySelectorAll(`tr[data-delivery="${CSS.escape(row.dataset.delivery)}"] .next`)) {
        older.replaceChildren();
      }
      row.classList.add("is-new");
      body.prepend(row);
    }
    showTimes(body.closest("table"));
    while (body.rows.length > MOST_ROWS && !body.rows[body.rows.length - 1].classList.contains("opened")) {
      body.deleteRow(-1);
    }
  };

  const showBar = () => {
    bar.hidden = !behind && waiting.length === 0;
    bar.textContent = behind ? "Many new: reload" : `${waiting.length} new`;
  };

  const flush = () => {
    const count = waiting.length;
    insert(waiting.splice(0));
    showBar();
    return count;
  };

  const take = (event) => {
    const row = nodesOf(`<table><tbody>${event.data}</tbody></table>`).querySelector("tr");
    if (!row || known.has(row.id)) return;
    known.add(row.id);
    if (known.size > MOST_KNOWN) known.delete(known.values().next().value);
    if (row.id > newest) newest = row.id;
    waiting.push(row);
    if (waiting.length > MOST_ROWS) waiting.shift();
    // Once a frame: 500 may come at once, and each look at the table takes its time.
    if (!planned) requestAnimationFrame(show);
    planned = true;
  };

  const show = () => {
    planned = false;
    if (waiting.length === 0) return;
    if (busy()) showBar();
    else announce(flush() === 1 ? "1 new attempt" : "New attempts");
  };

  const missSome = () => {
    if (!behind) announce("Many new attempts: reload to see them");
    behind = true;
    showBar();
  };

  const say = (pressed, text) => {
    button.setAttribute("aria-pressed", pressed);
    act.textContent = text;
  };

  const start = () => {
    clearTimeout(retry);
    paused = false;
    if (button.getAttribute("aria-pressed") === "false") act.textContent = "Connecting";
    const url = new URL(attempts.dataset.stream, location.href);
    url.searchParams.set("after", newest);
    source = new EventSource(url);
    source.addEventListener("open", () => say(true, "Pause"));
    source.addEventListener("error", fail);
    source.addEventListener("row", take);
    source.addEventListener("behind", missSome);
    source.addEventListener("gone", () => { source.close(); location.reload(); });
  };

  const fail = (event) => {
    if (event.target !== source) return;
    if (source.readyState === EventSource.CONNECTING) {
      say(true, "Reconnecting");
      return;
    }
    // An answer that is no event stream: the browser itself gives up (WHATWG HTML, section 9.2).
    source = null;
    say(false, "Off: try now");
    retry = setTimeout(start, RETRY_MS);
  };

  const close = () => {
    clearTimeout(retry);
    source?.close();
    source = null;
  };

  const stop = () => {
    close();
    paused = true;
    say(false, "Resume");
  };

  button.hidden = false;
  button.addEventListener("click", () => (source ? stop() : start()));
  bar.addEventListener("click", () => {
    if (behind) { location.reload(); return; }
    scrollTo({ top: 0 });
    announce(`${flush()} new attempts shown`);
    document.querySelector("#rows a")?.focus();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted && !paused) start(); });
  start();
  return { flush };
}
