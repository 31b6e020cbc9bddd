// Shows times in the reader's time zone, and keeps relative times current. The server writes UTC; the
// zone is named in the elements of the class `zone`, of which the foot of every page has one.
//
// The first paint waits for this module. It runs as soon as it is there, and shows the times of each
// part of the page as the browser reads it: later they would move what stands beside them. Until then
// it does without `Intl`, whose first use takes longer than everything else here.

import { locale, say } from "./texts.js";

const UNITS = [
  [86_400_000, "{count} d ago", "in {count} d"],
  [3_600_000, "{count} h ago", "in {count} h"],
  [60_000, "{count} min ago", "in {count} min"],
  [1000, "{count} s ago", "in {count} s"],
];
const days = document.head.dataset.days.split("|"); // of each month, "# Nov"
let exact = null;

function dayOf(date) {
  return days[date.getMonth()].replace("#", date.getDate());
}

function relative(at, now) {
  const distance = Math.abs(now - at);
  if (distance < 1000) return say("now");
  if (distance >= 7 * UNITS[0][0]) return dayOf(new Date(at));
  const [size, past, future] = UNITS.find(([unit]) => distance >= unit);
  return say(at > now ? future : past, { count: Math.floor(distance / size) });
}

function local(date, today) {
  const [hour, minute, second] = [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits);
  if (today === date.toDateString()) return `${hour}:${minute}:${second}`;
  return `${dayOf(date)}, ${hour}:${minute}`;
}

function twoDigits(number) {
  return String(number).padStart(2, "0");
}

/** Returns the zone as its distance from UTC: GMT-5, GMT+5:45. */
function zoneName() {
  const minutes = -new Date().getTimezoneOffset();
  if (minutes === 0) return "UTC";
  const rest = Math.abs(minutes) % 60;
  return `GMT${minutes < 0 ? "-" : "+"}${Math.floor(Math.abs(minutes) / 60)}${rest ? `:${twoDigits(rest)}` : ""}`;
}

/** Shows the clock times below a node in the local time zone, and names that zone beside them. */
export function showTimes(root) {
  showClocks(root.querySelectorAll("time"));
  nameZone(root.querySelectorAll(".zone"));
}

// Both go on where they left off in a list that grows, and return where that is.

function showClocks(times, from = 0) {
  const today = new Date().toDateString();
  for (const time of Array.prototype.slice.call(times, from)) {
    if (time.dataset.show === "clock") time.textContent = local(new Date(time.dateTime), today);
  }
  return times.length;
}

function nameZone(labels, from = 0) {
  const name = zoneName();
  for (const label of Array.prototype.slice.call(labels, from)) label.textContent = name;
  return labels.length;
}

/**
 * Lets fields for a time be filled in with local time. The server gets UTC, as from a page without
 * scripts: a hidden field takes over the name of each field.
 */
export function showLocalFields(root) {
  for (const field of root.querySelectorAll("input[data-utc][name]")) {
    const given = field.value && new Date(/(Z|[+-]\d\d:?\d\d)$/.test(field.value) ? field.value : `${field.value}Z`);
    if (given && Number.isNaN(given.getTime())) continue; // it stays as it is, beside its error
    const utc = document.createElement("input");
    Object.assign(utc, { type: "hidden", name: field.name, value: field.value });
    field.removeAttribute("name");
    field.after(utc);
    if (given) field.value = isoOf(new Date(given - given.getTimezoneOffset() * 60_000));
    field.addEventListener("input", () => {
      const at = new Date(field.value);
      utc.value = Number.isNaN(at.getTime()) ? field.value : isoOf(at);
    });
  }
}

function isoOf(date) {
  return date.toISOString().slice(0, 19);
}

/** Shows on each time under the pointer what it is in the reader's zone, before what it is in UTC. */
export function nameZones() {
  document.addEventListener("pointerover", (event) => {
    const time = event.target.closest?.("time[datetime]");
    if (!time || "local" in time.dataset) return;
    time.dataset.local = "";
    exact ??= new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "long" });
    time.title = `${exact.format(Date.parse(time.dateTime))} · ${time.title}`;
  });
}

/** Updates the relative times of the page once a second. */
export function keepTimesCurrent() {
  const now = Date.now();
  for (const time of document.querySelectorAll("time[data-show='relative']")) {
    const text = relative(Date.parse(time.dateTime), now);
    if (time.textContent !== text) time.textContent = text;
  }
  setTimeout(keepTimesCurrent, 1000);
}

const times = document.getElementsByTagName("time");
const labels = document.getElementsByClassName("zone");
let shown = 0;
let named = 0;

function showNewPart() {
  shown = showClocks(times, shown);
  named = nameZone(labels, named);
  showLocalFields(document);
}

showNewPart();
if (document.readyState === "loading") {
  const reading = new MutationObserver(showNewPart);
  reading.observe(document, { childList: true, subtree: true });
  document.addEventListener("DOMContentLoaded", () => reading.disconnect());
}
