// Shows times in the reader's time zone, and keeps relative times current. The server writes UTC; the
// zone is named in the elements of the class `zone`, of which the foot of every page has one.
//
// The first paint waits for this module, which shows the times of the page when it is evaluated: they
// are wider or narrower than in UTC, so later they would move what stands beside them. A page may run it
// while the browser still reads the page (`async`): then it shows the times of each part as it is read.

import { locale, say } from "./texts.js";

const UNITS = [
  [86_400_000, "{count} d ago", "in {count} d"],
  [3_600_000, "{count} h ago", "in {count} h"],
  [60_000, "{count} min ago", "in {count} min"],
  [1000, "{count} s ago", "in {count} s"],
];
const zone = new Intl.DateTimeFormat(locale, { timeZoneName: "short" });
// Made when they are needed first, because the first paint waits for this module.
const days = new Map(); // by whether they have the year
let exact = null;

/** Returns a date, with its year when that is not this one. */
function dayOf(at) {
  const year = isThisYear(at) ? undefined : "numeric";
  if (!days.has(year)) days.set(year, new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year }));
  return days.get(year).format(at);
}

function zoneAt(at) {
  return zone.formatToParts(at).find((part) => part.type === "timeZoneName")?.value ?? say("local");
}

function relative(at, now) {
  const distance = Math.abs(now - at);
  if (distance < 1000) return say("now");
  if (distance >= 7 * UNITS[0][0]) return dayOf(new Date(at));
  const [size, past, future] = UNITS.find(([unit]) => distance >= unit);
  return say(at > now ? future : past, { count: Math.floor(distance / size) });
}

function local(at, style) {
  const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
  if (isToday(at)) return style === "minute" ? clock.slice(0, 5) : clock;
  return `${dayOf(at)}, ${clock.slice(0, 5)}`;
}

function isToday(at) {
  const now = new Date();
  return at.getDate() === now.getDate() && at.getMonth() === now.getMonth() && isThisYear(at);
}

function isThisYear(at) {
  return at.getFullYear() === new Date().getFullYear();
}

/**
 * Shows the clock times below a node in the local time zone, and names that zone beside them. Summer
 * time has its own name: beside one time stands that of its day, and in a heading those of all.
 */
export function showTimes(root) {
  const offsets = offsetsOfNow();
  for (const time of root.querySelectorAll("time")) showTime(time, offsets);
  for (const label of root.querySelectorAll(".zone")) nameZone(label, offsets);
}

/** Returns the offsets from UTC of the times that are shown, each with one of them. */
function offsetsOfNow() {
  const now = new Date();
  return new Map([[now.getTimezoneOffset(), now]]);
}

function showTime(time, offsets) {
  const style = time.dataset.show;
  if (style !== "clock" && style !== "minute") return;
  const at = new Date(time.dateTime);
  offsets.set(at.getTimezoneOffset(), at);
  time.textContent = local(at, style);
  // On the server, which makes room for years in a table, the year begins at another time.
  if (!isThisYear(at)) time.closest("table")?.classList.add("has-years");
}

function nameZone(label, offsets) {
  const time = label.previousElementSibling;
  label.textContent = time?.matches("time")
    ? zoneAt(Date.parse(time.dateTime))
    : Array.from(offsets.values(), zoneAt).join("/");
}

/**
 * Lets fields for a time be filled in with local time, each of them once. The server gets UTC, as from
 * a page without scripts: a hidden field takes over the name of each field.
 */
function showLocalFields() {
  for (const field of document.querySelectorAll("input[data-utc]")) {
    field.removeAttribute("data-utc");
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
const offsets = offsetsOfNow();
let shown = 0;
let named = 0;

function showWhatIsRead() {
  const known = offsets.size;
  for (; isRead(times[shown]); shown++) showTime(times[shown], offsets);
  if (offsets.size > known) named = 0; // a heading names this offset, too
  showLocalFields(); // before their labels name the zone
  for (; isRead(labels[named]); named++) nameZone(labels[named], offsets);
}

// While a page is read, the last elements may still be without some of their text. Those after which
// something stands are not.
function isRead(element) {
  if (document.readyState !== "loading") return Boolean(element);
  for (let node = element; node; node = node.parentNode) {
    if (node.nextSibling) return true;
  }
  return false;
}

const reading = new MutationObserver(showWhatIsRead);

function showRest() {
  reading.disconnect();
  showWhatIsRead();
}

if (document.readyState === "loading") {
  reading.observe(document, { childList: true, subtree: true });
  document.addEventListener("readystatechange", showRest, { once: true });
  showWhatIsRead();
} else {
  showRest();
}
