// Times in the reader's own zone, and relative ones that tick.

const UNITS = [["d", 86_400_000], ["h", 3_600_000], ["min", 60_000], ["s", 1000]];
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const zone = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" });
const zoneName = zone.formatToParts(new Date()).find((part) => part.type === "timeZoneName")?.value ?? "local";

function relative(at, now) {
  const away = Math.abs(now - at);
  if (away < 1000) return "now";
  if (away >= 7 * UNITS[0][1]) return day.format(at);
  const [name, size] = UNITS.find(([, unit]) => away >= unit);
  const text = `${Math.floor(away / size)} ${name}`;
  return at > now ? `in ${text}` : `${text} ago`;
}

function local(at) {
  const today = new Date().toDateString() === new Date(at).toDateString();
  return today ? clock.format(at) : `${day.format(at)}, ${clock.format(at).slice(0, 5)}`;
}

/** Shows the times within a node: clock times in the local zone, which column heads then name. */
export function showTimes(root) {
  for (const time of root.querySelectorAll("time[data-show='clock']")) {
    time.textContent = local(Date.parse(time.dateTime));
  }
  for (const place of root.querySelectorAll(".zone")) place.textContent = zoneName;
}

/** Keeps relative times true. */
export function tick() {
  const now = Date.now();
  for (const time of document.querySelectorAll("time[data-show='relative']")) {
    const text = relative(Date.parse(time.dateTime), now);
    if (time.textContent !== text) time.textContent = text;
  }
  setTimeout(tick, 1000);
}
