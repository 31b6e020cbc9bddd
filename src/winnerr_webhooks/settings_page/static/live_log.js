// Shows new attempts as they arrive. Rows never move under the cursor: while an attempt is open, or
// the table is scrolled or pointed at, new rows wait behind a bar that says "12 new".
//
// A browser holds few connections to one server, so a hidden tab has no stream, and of the tabs that
// can be seen only the last used ones. The stream sends what was missed when it opens again.

import { announce, nodesOf } from "./dom.js";
import { say, sayCounted } from "./texts.js";
import { showTimes } from "./times.js";

const MAX_ROWS = 500;
// After a reconnect the server sends again what it recorded up to ten seconds before the last row,
// at most 500 rows a second. That row can itself be ten seconds late.
const MAX_KNOWN = 10_000;
const RETRY_MS = 15_000;
const MAX_STREAMS = 3; // of all tabs of this browser; HTTP/1.1 has six connections for everything

/** Starts the live log, unless the page shows older attempts. */
export function startLiveLog(attempts, opener) {
  if ("notLive" in attempts.dataset) return;
  const button = document.getElementById("live");
  const label = document.getElementById("live-label");
  const bar = document.getElementById("new-rows");
  const waiting = [];
  let source = null;
  let retryTimer = 0;
  let paused = false;
  const others = new Set(); // tabs that opened their stream after this one
  const self = Array.from(crypto.getRandomValues(new Uint32Array(4))).join(".");
  const tabs = new BroadcastChannel("webhooks-live");
  let behind = false;
  let scheduled = false;
  const shown = Array.from(attempts.querySelectorAll("tbody tr[id]"), (row) => row.id);
  const known = new Set(shown.reverse());
  let newest = shown.at(-1) ?? attempts.dataset.liveStart;

  const mustNotMove = () => opener.isOpen() || scrollY > 80 || attempts.matches(":hover") ||
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
    while (body.rows.length > MAX_ROWS && !body.rows[body.rows.length - 1].classList.contains("panel-row")) {
      body.deleteRow(-1);
    }
  };

  const updateBar = () => {
    bar.hidden = !behind && waiting.length === 0;
    bar.textContent = behind ? say("Many new: reload") : sayCounted("{count} new", "{count} new", waiting.length);
  };

  const insertWaiting = () => {
    const count = waiting.length;
    insert(waiting.splice(0));
    updateBar();
    return count;
  };

  const receiveRow = (event) => {
    const row = nodesOf(`<table><tbody>${event.data}</tbody></table>`).querySelector("tr");
    if (!row || known.has(row.id)) return;
    known.add(row.id);
    if (known.size > MAX_KNOWN) known.delete(known.values().next().value);
    if (row.id > newest) newest = row.id;
    waiting.push(row);
    if (waiting.length > MAX_ROWS) waiting.shift();
    // Once a frame, because 500 rows may arrive together and each layout of the table takes time.
    if (!scheduled) requestAnimationFrame(showWaiting);
    scheduled = true;
  };

  const showWaiting = () => {
    scheduled = false;
    if (waiting.length === 0) return;
    if (mustNotMove()) updateBar();
    else announce(sayCounted("{count} new attempt", "{count} new attempts", insertWaiting()));
  };

  const fallBehind = () => {
    if (!behind) announce(say("Many new attempts. Reload to see them."));
    behind = true;
    updateBar();
  };

  const showState = (pressed, text) => {
    button.setAttribute("aria-pressed", pressed);
    label.textContent = text;
  };

  const connect = () => {
    clearTimeout(retryTimer);
    if (source) disconnect();
    paused = false;
    others.clear();
    tabs.postMessage({ opened: self });
    if (button.getAttribute("aria-pressed") === "false") label.textContent = say("Connecting");
    const url = new URL(attempts.dataset.stream, location.href);
    url.searchParams.set("after", newest);
    source = new EventSource(url);
    source.addEventListener("open", () => showState(true, say("Pause")));
    source.addEventListener("error", fail);
    source.addEventListener("row", receiveRow);
    source.addEventListener("behind", fallBehind);
    source.addEventListener("gone", () => { source.close(); location.reload(); });
  };

  const fail = (event) => {
    if (event.target !== source) return;
    if (source.readyState === EventSource.CONNECTING) {
      showState(true, say("Reconnecting"));
      return;
    }
    // The browser does not retry when the answer is not an event stream (WHATWG HTML, section 9.2).
    source = null;
    showState(false, say("Off: try again"));
    retryTimer = setTimeout(connectIfSeen, RETRY_MS);
  };

  const disconnect = () => {
    clearTimeout(retryTimer);
    if (source) tabs.postMessage({ closed: self });
    source?.close();
    source = null;
  };

  const connectIfSeen = () => {
    if (!source && !paused && document.visibilityState === "visible") connect();
  };

  const giveWay = ({ data }) => {
    if (data.closed) others.delete(data.closed);
    if (!data.opened || !source) return;
    others.add(data.opened);
    if (others.size < MAX_STREAMS) return;
    disconnect();
    showState(false, say("In other tabs"));
  };

  const pause = () => {
    disconnect();
    paused = true;
    showState(false, say("Resume"));
  };

  button.hidden = false;
  button.addEventListener("click", () => (source ? pause() : connect()));
  bar.addEventListener("click", () => {
    if (behind) { location.reload(); return; }
    scrollTo({ top: 0 });
    announce(sayCounted("{count} new attempt shown", "{count} new attempts shown", insertWaiting()));
    document.querySelector("#rows a")?.focus();
  });
  addEventListener("pagehide", disconnect);
  addEventListener("pageshow", connectIfSeen);
  addEventListener("focus", connectIfSeen);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") connectIfSeen();
    else disconnect();
  });
  tabs.addEventListener("message", giveWay);
  connectIfSeen();
}
