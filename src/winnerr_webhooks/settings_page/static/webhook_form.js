// The webhook form: checks the URL when the user leaves it, counts events, generates secrets.

import { announce, nodesOf, post } from "./dom.js";
import { startFilterBuilder } from "./filter_builder.js";
import { say } from "./texts.js";

/** Enhances the form. The server still checks everything when it is saved. */
export function enhanceWebhookForm(form) {
  checkUrl(form.elements.url, document.getElementById("url-check"));
  countEvents(form);
  generateSecret(form);
  startFilterBuilder(form);
}

function checkUrl(input, result) {
  let checked = input.value;
  input.addEventListener("blur", async () => {
    const url = input.value.trim();
    if (!url || url === checked) return;
    checked = url;
    const answer = await post("/check-url", { url });
    if (!answer || input.value.trim() !== url) return;
    input.toggleAttribute("aria-invalid", false);
    if (!answer.ok) input.setAttribute("aria-invalid", "true");
    const kind = answer.ok ? (answer.message ? "is-warn" : "is-ok") : "error";
    result.className = `url-check ${kind}`;
    result.replaceChildren(
      nodesOf(`<svg class="icon" aria-hidden="true"><use href="#i-${kind === "is-ok" ? "ok" : "failing"}"/></svg>`),
      ` ${answer.message || say("This URL is allowed. A test event shows whether it answers.")}`,
    );
  });
}

function countEvents(form) {
  const all = form.querySelector("[data-all]");
  const count = document.getElementById("event-count");
  const total = Number(count.dataset.total);
  const sets = [...form.querySelectorAll(".category")].filter((set) => set.querySelector("button"));
  const categories = sets.map((set) => ({
    button: set.querySelector(".select-all"),
    boxes: [...set.querySelectorAll("input[type=checkbox]:not([data-pattern])")],
    name: set.querySelector("legend").textContent,
  }));
  const boxes = categories.flatMap((category) => category.boxes);
  const patterns = [...form.querySelectorAll("[data-pattern]")];
  const update = () => {
    const chosenPatterns = patterns.filter((box) => box.checked && box.value.endsWith(".*"));
    const prefixes = chosenPatterns.map((box) => box.value.slice(0, -1));
    const isChosen = (box) => box.checked || prefixes.some((prefix) => box.value.startsWith(prefix));
    const chosen = all.checked ? total : boxes.filter(isChosen).length;
    count.textContent = say("{selected} of {total} selected", { selected: chosen, total });
    for (const { button, boxes: own, name } of categories) {
      const every = own.every((box) => box.checked);
      button.hidden = all.checked;
      button.textContent = say(every ? "Select none" : "Select all");
      button.setAttribute("aria-label", say("{action} of {category}", { action: button.textContent, category: name }));
    }
  };
  for (const { button, boxes: own } of categories) {
    button.addEventListener("click", () => {
      const every = own.every((box) => box.checked);
      for (const box of own) box.checked = !every;
      update();
      announce(count.textContent);
    });
  }
  for (const box of [...boxes, ...patterns]) {
    box.addEventListener("change", () => {
      if (box.checked) all.checked = false;
      update();
    });
  }
  all.addEventListener("change", update);
  update();
}

function generateSecret(form) {
  const { secret, signing, generate } = form.elements;
  if (!generate) return;
  generate.addEventListener("click", async (event) => {
    event.preventDefault();
    const answer = await post("/generate-secret", {});
    if (!answer) return;
    secret.value = answer.secret;
    signing.value = "hmac"; // the others refuse it
    secret.focus();
    secret.select();
    announce(say("A secret was generated. Copy it into your receiver."));
  });
}
