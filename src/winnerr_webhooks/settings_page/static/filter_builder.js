// The filter builder of the webhook form: rows of conditions above the JSON of the filter. What is
// written in one is shown in the other at once. The form sends the JSON, and the server checks it.

import { announce, post, postForHtml } from "./dom.js";
import { filterOf, isJson, problemOf, rowsOf, takesValue } from "./filter_rows.js";
import { say } from "./texts.js";
import { showTimes } from "./times.js";

/** Starts the builder, the suggestions of paths, and the test of the filter in its place. */
export function startFilterBuilder(form) {
  const json = form.elements.filter;
  const part = json.closest("details");
  const builder = rowBuilder(part, json);
  form.addEventListener("submit", (event) => {
    if (!builder.check()) event.preventDefault();
  });
  suggestPaths(form, part);
  testInPlace(form, part, builder);
}

function chosenEvents(form) {
  return new FormData(form).getAll("events").map((name) => ["events", name]);
}

function fieldsOf(row) {
  const [path, operator, value] = row.querySelectorAll("input, select");
  return { path, operator, value };
}

function valuesOf(row) {
  const { path, operator, value } = fieldsOf(row);
  return { path: path.value, operator: operator.value, value: value.value };
}

function rowBuilder(part, json) {
  const list = part.querySelector(".filter-rows");
  const builder = list.parentElement;
  const adder = builder.querySelector(".filter-add");
  const pattern = list.firstElementChild.cloneNode(true);
  const rows = () => [...list.children];
  const current = () => filterOf(rows().map(valuesOf));

  function add(values) {
    const row = pattern.cloneNode(true);
    list.append(row);
    if (values) fill(row, values);
    number();
    return row;
  }

  function fill(row, values) {
    const fields = fieldsOf(row);
    for (const [name, value] of Object.entries(values)) fields[name].value = value;
    showOperator(row);
    clearProblem(row);
  }

  function number() {
    rows().forEach((row, index) => {
      row.setAttribute("aria-label", say("Condition {number}", { number: index + 1 }));
      row.querySelector(".error").id = `filter-row-${index}-error`;
    });
  }

  /** Writes the rows into the JSON. */
  function write() {
    json.value = current();
    json.dispatchEvent(new Event("input", { bubbles: true }));
  }

  /** Shows the JSON in the rows, unless they say it already. */
  function show() {
    const found = rowsOf(json.value);
    builder.dataset.state = found ? "rows" : isJson(json.value) ? "beyond" : "incomplete";
    list.inert = !found;
    adder.disabled = !found;
    if (found && filterOf(found) !== current()) {
      const wanted = found.length ? found : [{ path: "", operator: "$eq", value: "" }];
      wanted.forEach((values, index) => (rows()[index] ? fill(rows()[index], values) : add(values)));
      for (const row of rows().slice(wanted.length)) row.remove();
    }
  }

  function remove(row) {
    const index = rows().indexOf(row);
    if (rows().length === 1) fill(row, { path: "", operator: "$eq", value: "" });
    else row.remove();
    number();
    write();
    fieldsOf(rows()[Math.min(index, rows().length - 1)]).path.focus();
    announce(say("Condition removed"));
  }

  list.addEventListener("input", ({ target }) => {
    const row = target.closest(".filter-row");
    showOperator(row);
    clearProblem(row);
    write();
  });
  list.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button) remove(button.closest(".filter-row"));
  });
  adder.addEventListener("click", () => fieldsOf(add()).path.focus());
  json.addEventListener("input", show);
  number();
  show();

  /** Shows what is wrong beside its row, and goes to the first. Returns whether nothing is. */
  function check() {
    if (builder.dataset.state !== "rows") return true;
    const wrong = rows().filter((row) => showProblem(row, problemOf(valuesOf(row))));
    if (!wrong.length) return true;
    part.open = true;
    wrong[0].querySelector("[aria-invalid]").focus();
    return false;
  }

  return { check };
}

function showOperator(row) {
  const { operator, value } = fieldsOf(row);
  value.closest("label").classList.toggle("is-unused", !takesValue(operator.value));
}

function showProblem(row, problem) {
  if (!problem) return false;
  const field = fieldsOf(row)[problem === "path" ? "path" : "value"];
  const error = row.querySelector(".error");
  error.lastElementChild.textContent = say({
    path: "A field is below data, such as data.stage, or it is event, timestamp or organizationId.",
    value: "Give a value. Two quotation marks stand for an empty text.",
    quotes: "A text that begins with a quotation mark must end with one.",
  }[problem]);
  error.hidden = false;
  error.classList.remove("is-mended");
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", error.id);
  return true;
}

function clearProblem(row) {
  row.querySelector(".error").classList.add("is-mended");
  for (const field of row.querySelectorAll("[aria-invalid]")) {
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-describedby");
  }
}

/** Offers the fields that the chosen events have, as soon as the part of the form is open. */
function suggestPaths(form, part) {
  const list = document.getElementById("filter-paths");
  let offered = null;
  const update = async () => {
    const events = chosenEvents(form);
    const key = String(events);
    if (!part.open || key === offered) return;
    offered = key;
    const answer = await post("/filter-paths", events);
    if (!answer) offered = null;
    else if (key === offered) list.replaceChildren(...answer.paths.map((path) => new Option("", path)));
  };
  part.addEventListener("toggle", update);
  form.addEventListener("change", ({ target }) => { if (target.name === "events") update(); });
  update();
}

/** Shows which of the last events match without leaving the form. */
function testInPlace(form, part, builder) {
  const json = form.elements.filter;
  const result = document.getElementById("filter-trial");
  const hint = result.innerHTML;
  let tests = 0;
  const reset = () => {
    tests += 1;
    result.innerHTML = hint;
  };
  form.elements.try.addEventListener("click", async (event) => {
    event.preventDefault();
    if (!builder.check()) return;
    const test = (tests += 1);
    const html = await postForHtml("/filter-test", [["filter", json.value], ...chosenEvents(form)]);
    if (test !== tests) return; // the filter is another one by now
    if (html === null) {
      result.textContent = say("The service did not answer. Try again.");
      return;
    }
    result.innerHTML = html; // rendered and escaped by this server
    showTimes(result);
  });
  json.addEventListener("input", reset);
  form.addEventListener("change", ({ target }) => { if (target.name === "events") reset(); });
  json.addEventListener("input", () => { part.querySelector(".filter-shown").textContent = json.value; });
}
