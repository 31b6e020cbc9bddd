// The rows of the filter builder as the JSON of a filter, and back. A row is a path such as
// data.stage, an operator, and a value as somebody types it. Numbers keep all of their digits.

const NUMBER = String.raw`-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?`;
const TOKEN = new RegExp(String.raw`"((?:[^"\\]|\\.)*)"|${NUMBER}`, "gs");
const ITEM = /\s*("(?:[^"\\]|\\.)*"(?=\s*(?:,|$))|[^,]+)/g;
const CONTROL = /[\u0000-\u001f]/;
const PATH = /^(?:event|timestamp|organizationId|data)(?:\.(?![$\s])[^.]*[^.\s])*$/;

// What an operator takes for another value than a text.
const ANY = new RegExp(`^(?:true|false|null|${NUMBER})$`);
const ORDERED = new RegExp(`^${NUMBER}$`);
const NOTHING = /^(?!)/;
const LITERALS = {
  $eq: ANY, $ne: ANY, $contains: ANY, $in: ANY, $nin: ANY,
  $gt: ORDERED, $gte: ORDERED, $lt: ORDERED, $lte: ORDERED,
  $startsWith: NOTHING, $endsWith: NOTHING,
};
const LISTS = ["$in", "$nin"];
const EXISTS = { $exist: "true", "!$exist": "false" };

/** Whether an operator compares with a value. */
export function takesValue(operator) {
  return !(operator in EXISTS);
}

/** Whether a text is JSON. */
export function isJson(text) {
  try { return JSON.parse(text) !== undefined; } catch { return false; }
}

/** Returns the rows of a filter's JSON, or null if rows cannot say the same. */
export function rowsOf(text) {
  if (!text.trim()) return [];
  const rows = [];
  try {
    const filter = parse(text);
    return isObject(filter) && collect(filter, "", rows) ? rows : null;
  } catch {
    return null;
  }
}

/** Returns the JSON of rows, all of which must be met. Empty and wrong rows are left out. */
export function filterOf(rows) {
  const parts = []; // the second has what stands in the same place of the first
  for (const row of rows) {
    if (isEmpty(row) || problemOf(row)) continue;
    const names = row.path.trim().split(".");
    const operator = takesValue(row.operator) ? row.operator : "$exist";
    const json = readValue(row);
    if (parts.some((part) => place(part, names, operator, json))) continue;
    parts.push(new Map());
    place(parts.at(-1), names, operator, json);
  }
  const [first, ...more] = parts;
  if (more.length) first.set("$and", `[${more.map(write).join(", ")}]`);
  return first ? write(first) : "";
}

/** Returns what is wrong with a row: "path", "value", "quotes", or null. */
export function problemOf(row) {
  if (isEmpty(row)) return null;
  const path = row.path.trim();
  if (!PATH.test(path) || CONTROL.test(path)) return "path";
  if (readValue(row) !== null) return null;
  return row.value.includes('"') ? "quotes" : "value";
}

function isEmpty({ path, operator, value }) {
  return !path.trim() && !(takesValue(operator) && value.trim());
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Parses JSON. A text or key comes back behind an "s", and a number as its digits behind an "n". */
function parse(text) {
  return JSON.parse(text.replace(TOKEN, (token, inner) => (inner === undefined ? `"n${token}"` : `"s${inner}"`)));
}

function collect(condition, path, rows) {
  if (!isObject(condition)) return addRow(path, "$eq", condition, rows);
  const members = Object.entries(condition);
  return members.length > 0 && members.every(([key, inner]) => {
    const name = key.slice(1);
    if (name === "$and") {
      return Array.isArray(inner) && inner.length > 0 && inner.every((one) => collect(one, path, rows));
    }
    if (name.startsWith("$")) return addRow(path, name, inner, rows);
    return !name.includes(".") && collect(inner, path ? `${path}.${name}` : name, rows);
  });
}

function addRow(path, operator, operand, rows) {
  const row = { path, operator, value: "" };
  if (operator === "$exist") {
    if (typeof operand !== "boolean") return false;
    row.operator = operand ? "$exist" : "!$exist";
  } else {
    row.value = showValue(operator, operand);
    if (row.value === null) return false;
  }
  rows.push(row);
  return Boolean(path) && problemOf(row) === null;
}

function readValue({ operator, value }) {
  if (!takesValue(operator)) return EXISTS[operator];
  if (!LISTS.includes(operator)) return readScalar(value, LITERALS[operator]);
  const items = [...value.matchAll(ITEM)].map((found) => found[1]).filter((item) => item.trim());
  const read = items.map((item) => readScalar(item, ANY));
  return read.length > 0 && !read.includes(null) ? `[${read.join(", ")}]` : null;
}

function readScalar(text, literals) {
  const given = text.trim();
  if (literals.test(given)) return given;
  if (!given.startsWith('"')) return given ? JSON.stringify(given) : null;
  try { return JSON.stringify(JSON.parse(given)); } catch { return null; }
}

function showValue(operator, operand) {
  if (!(operator in LITERALS)) return null;
  if (!LISTS.includes(operator)) return showScalar(operand, LITERALS[operator]);
  if (!Array.isArray(operand) || !operand.length) return null;
  const items = operand.map((one) => showScalar(one, ANY, ","));
  return items.includes(null) ? null : items.join(", ");
}

/** Returns a value as it is typed: a text that would be read as something else is in quotes. */
function showScalar(value, literals, separator = "\n") {
  if (value === null || typeof value === "boolean") return literals === ANY ? String(value) : null;
  if (typeof value !== "string") return null;
  const text = value.slice(1);
  if (value.startsWith("n")) return literals.test(text) ? text : null;
  const quoted = JSON.stringify(text);
  const isPlain = readScalar(text, literals) === quoted && !CONTROL.test(text) && !text.includes(separator);
  return isPlain ? text : quoted;
}

function place(part, names, operator, json) {
  let node = part;
  for (const name of names) {
    if (!node.has(name)) node.set(name, new Map());
    node = node.get(name);
  }
  if (node.has(operator)) return false;
  node.set(operator, json);
  return true;
}

function write(node) {
  if (typeof node === "string") return node;
  if (node.size === 1 && node.has("$eq")) return node.get("$eq");
  return `{${[...node].map(([name, inner]) => `${JSON.stringify(name)}: ${write(inner)}`).join(", ")}}`;
}
