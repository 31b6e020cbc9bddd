// Reloads the part of a page that waits for a test event or a replay, until the result is there.

import { showCopyButtons } from "./copy_buttons.js";
import { fetchHtml, nodesOf } from "./dom.js";
import { showTimes } from "./times.js";

const MAX_TRIES = 60;
const EVERY_MS = 1000;

/** Refreshes the waiting part of this page, if there is one. */
export function refreshUntilDone() {
  const waiting = document.querySelector("[data-refresh='1']");
  if (waiting) repeatUntilTrue(() => refreshPart(waiting.id), MAX_TRIES);
  const replayed = document.getElementById("replayed");
  if (replayed) repeatUntilTrue(() => refreshAttempt(Number(replayed.dataset.lastAttempt)), MAX_TRIES);
}

function repeatUntilTrue(act, tries) {
  if (!tries) return;
  setTimeout(async () => { if (!(await act())) repeatUntilTrue(act, tries - 1); }, EVERY_MS);
}

async function fetchThisPage() {
  const text = await fetchHtml(location.href, "");
  return text === null ? null : nodesOf(text);
}

function enhance(node) {
  showTimes(node);
  showCopyButtons(node);
}

async function refreshPart(id) {
  const fetched = (await fetchThisPage())?.querySelector(`#${id}`);
  if (!fetched) return false;
  const current = document.getElementById(id);
  if (current.textContent !== fetched.textContent) {
    current.replaceWith(fetched);
    enhance(fetched);
  }
  return fetched.dataset.refresh !== "1";
}

async function refreshAttempt(before) {
  const fetched = (await fetchThisPage())?.querySelector("article.attempt");
  if (!fetched || Number(fetched.dataset.lastAttempt) <= before) return false;
  const current = document.querySelector("article.attempt");
  if (current.contains(document.activeElement)) document.getElementById("main").focus();
  current.replaceWith(fetched);
  enhance(fetched);
  const [last] = [...fetched.querySelectorAll(".delivery-attempts a")].slice(-1);
  const text = document.querySelector("#replayed span");
  text.textContent = `Replayed: ${last.textContent.trim().replace(/\s+/g, " ")}.`;
  return true;
}
