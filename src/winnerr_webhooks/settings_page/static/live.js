// New attempts as they come. Rows never move under the cursor: while something is open, or the
// table is scrolled or pointed at, they wait behind a "12 new" bar.

import { announce, nodesOf } from "./dom.js";
import { showTimes } from "./time.js";

const MOST_ROWS = 500;
// The server sends anew what is younger than ten seconds, at most 100 rows a second.
const MOST_KNOWN = 2000;

/** Starts the live tail of the log; gives what the keyboard needs of it. */
export function startLive(attempts, opener) {
  if ("still" in attempts.dataset) return null;
  const button = document.getElementById("live");
  const act = document.getElementById("live-act");
  const bar = document.getElementById("fresh");
  const waiting = [];
  let source = null;
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
    bar.hidden = waiting.length === 0;
    bar.textContent = `${waiting.length} new`;
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
    if (busy()) showBar();
    else announce(flush() === 1 ? "1 new attempt" : "New attempts");
  };

  const start = () => {
    const url = new URL(attempts.dataset.stream, location.href);
    url.searchParams.set("after", newest);
    source = new EventSource(url);
    source.addEventListener("row", take);
    source.addEventListener("gone", () => { source.close(); location.reload(); });
    button.setAttribute("aria-pressed", "true");
    act.textContent = "Pause";
  };

  const stop = () => {
    source.close();
    source = null;
    button.setAttribute("aria-pressed", "false");
    act.textContent = "Resume";
  };

  button.hidden = false;
  button.addEventListener("click", () => (source ? stop() : start()));
  bar.addEventListener("click", () => {
    scrollTo({ top: 0 });
    announce(`${flush()} new attempts shown`);
    document.querySelector("#rows a")?.focus();
  });
  addEventListener("pagehide", () => source?.close());
  start();
  return { flush };
}
