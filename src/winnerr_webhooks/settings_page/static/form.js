// The webhook form: the URL is checked as one leaves it, events are counted, secrets are made.

import { announce, post } from "./dom.js";

/** Enhances the form in place; the server still decides. */
export function enhanceForm(form) {
  checkUrl(form.elements.url, document.getElementById("url-check"));
  chooseEvents(form);
  generateSecret(form);
}

function checkUrl(input, place) {
  let asked = input.value;
  input.addEventListener("blur", async () => {
    const url = input.value.trim();
    if (!url || url === asked) return;
    asked = url;
    const answer = await post("/check-url", { url });
    if (!answer || input.value.trim() !== url) return;
    document.getElementById("url-error")?.remove();
    input.toggleAttribute("aria-invalid", false);
    if (!answer.ok) input.setAttribute("aria-invalid", "true");
    place.className = `check ${answer.ok ? (answer.message ? "is-warn" : "is-ok") : "is-bad"}`;
    place.textContent = answer.message || "This address can be reached.";
    input.setAttribute("aria-describedby", "url-check url-hint");
  });
}

function chooseEvents(form) {
  const all = form.querySelector("[data-all]");
  const count = document.getElementById("event-count");
  const total = Number(count.dataset.total);
  const categories = [...form.querySelectorAll(".category")].map((set) => ({
    button: set.querySelector(".select-all"),
    boxes: [...set.querySelectorAll("input[type=checkbox]")],
    name: set.querySelector("legend").textContent,
  }));
  const boxes = categories.flatMap((category) => category.boxes);
  const show = () => {
    const chosen = all.checked ? total : boxes.filter((box) => box.checked).length;
    count.textContent = `${chosen} of ${total} selected`;
    for (const { button, boxes: own, name } of categories) {
      const every = own.every((box) => box.checked);
      button.hidden = all.checked;
      button.textContent = every ? "Select none" : "Select all";
      button.setAttribute("aria-label", `${button.textContent} of ${name}`);
    }
  };
  for (const { button, boxes: own } of categories) {
    button.addEventListener("click", () => {
      const every = own.every((box) => box.checked);
      for (const box of own) box.checked = !every;
      show();
      announce(count.textContent);
    });
  }
  for (const box of boxes) {
    box.addEventListener("change", () => {
      if (box.checked) all.checked = false;
      show();
    });
  }
  all.addEventListener("change", show);
  show();
}

function generateSecret(form) {
  const { secret, generate } = form.elements;
  if (!generate) return;
  generate.addEventListener("click", async (event) => {
    event.preventDefault();
    const answer = await post("/generate-secret", {});
    if (!answer) return;
    secret.value = answer.secret;
    secret.focus();
    secret.select();
    announce("A secret was generated. Copy it into your receiver.");
  });
}
