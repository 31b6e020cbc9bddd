// Keeps the parts of a page current that wait for something: a test event, a replay, a job, the next
// attempt of a delivery. What did not change is left alone, with its focus and what is open in it.

import { showCopyButtons } from "./copy_buttons.js";
import { fetchHtml, nodesOf } from "./dom.js";
import { chosenTab, showTabs } from "./exchange_tabs.js";
import { showFolds } from "./json_view.js";
import { showTimes } from "./times.js";

const MAX_TRIES = 60;
const EVERY_MS = 1000;
const SOON_MS = 2000;
const LATEST_MS = 60_000;

/** Refreshes the waiting parts of this page, if there are any. */
export function refreshUntilDone() {
  const waiting = document.querySelector("[data-refresh='1']");
  if (waiting) repeatUntilTrue(() => refreshParts([`#${waiting.id}`, ".health-summary", "article.attempt"]), MAX_TRIES);
  keepAttemptCurrent();
}

function repeatUntilTrue(act, tries) {
  if (!tries) return;
  setTimeout(async () => {
    const isDone = document.visibilityState === "visible" && (await act());
    if (!isDone) repeatUntilTrue(act, document.visibilityState === "visible" ? tries - 1 : tries);
  }, EVERY_MS);
}

async function refreshParts(selectors) {
  const text = await fetchHtml(location.href, "");
  if (text === null) return false;
  const fetched = nodesOf(text);
  for (const selector of selectors) {
    const [current, next] = [document.querySelector(selector), fetched.querySelector(selector)];
    if (current && next) update(current, next);
  }
  return document.querySelector("[data-refresh='1']") === null;
}

/** Refreshes the attempt that is shown, also one that is opened in the log, while one is to come. */
function keepAttemptCurrent() {
  const planned = document.querySelector("article.attempt[data-next-attempt]");
  const wait = planned ? Number(planned.dataset.nextAttempt) + EVERY_MS - Date.now() : SOON_MS;
  setTimeout(async () => {
    const article = document.querySelector("article.attempt[data-next-attempt]");
    if (article && document.visibilityState === "visible") {
      const text = await fetchHtml(article.dataset.url, "attempt");
      const next = text === null ? null : nodesOf(text).querySelector("article.attempt");
      if (next && article.isConnected) update(article, next);
    }
    keepAttemptCurrent();
  }, Math.min(Math.max(wait, SOON_MS), planned ? LATEST_MS : SOON_MS));
}

function update(current, next) {
  showTimes(next);
  showCopyButtons(next);
  showFolds(next);
  const tab = chosenTab(current);
  if (tab) showTabs(next, tab);
  patch(current, next);
}

function patch(current, next) {
  if (current.isEqualNode(next)) return;
  if (current.matches?.("pre.json, .part-tools") && current.textContent === next.textContent) return;
  const isSame = current.nodeName === next.nodeName && current.childNodes.length === next.childNodes.length;
  if (!isSame || !current.childNodes.length) {
    current.replaceWith(next);
    return;
  }
  const before = [...current.childNodes];
  [...next.childNodes].forEach((child, index) => patch(before[index], child));
  for (const { name } of [...current.attributes]) {
    if (name !== "open" && !next.hasAttribute(name)) current.removeAttribute(name);
  }
  for (const { name, value } of [...next.attributes]) {
    if (name !== "open" && current.getAttribute(name) !== value) current.setAttribute(name, value);
  }
}
