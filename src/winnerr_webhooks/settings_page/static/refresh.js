// What is on its way (a test event, a replay) is looked at again until it has arrived.

import { fetchHtml, nodesOf } from "./dom.js";
import { showTimes } from "./time.js";
import { showCopyButtons } from "./copy.js";

const MOST_TURNS = 60;
const EVERY_MS = 1000;

/** Refreshes the part of this page that waits for something, if there is one. */
export function refreshUntilDone() {
  const waits = document.querySelector("[data-refresh='1']");
  if (waits) turn(() => replacePart(waits.id), MOST_TURNS);
  const replayed = document.getElementById("replayed");
  if (replayed) turn(() => replaceAttempt(Number(replayed.dataset.watch)), MOST_TURNS);
}

function turn(act, left) {
  if (!left) return;
  setTimeout(async () => { if (!(await act())) turn(act, left - 1); }, EVERY_MS);
}

async function fetched() {
  const text = await fetchHtml(location.href, "");
  return text === null ? null : nodesOf(text);
}

function settle(node) {
  showTimes(node);
  showCopyButtons(node);
}

async function replacePart(id) {
  const next = (await fetched())?.querySelector(`#${id}`);
  if (!next) return false;
  const here = document.getElementById(id);
  if (here.textContent !== next.textContent) {
    here.replaceWith(next);
    settle(next);
  }
  return next.dataset.refresh !== "1";
}

async function replaceAttempt(before) {
  const next = (await fetched())?.querySelector("article.attempt");
  if (!next || Number(next.dataset.attempts) <= before) return false;
  const here = document.querySelector("article.attempt");
  if (here.contains(document.activeElement)) document.getElementById("main").focus();
  here.replaceWith(next);
  settle(next);
  const [last] = [...next.querySelectorAll(".siblings a")].slice(-1);
  const text = document.querySelector("#replayed span");
  text.textContent = `Replayed: ${last.textContent.trim().replace(/\s+/g, " ")}.`;
  return true;
}
