// Forms that change something are sent once, however often somebody presses Enter. An error beside
// a field goes when the field is changed; its place stays, so nothing moves.

const AGAIN_MS = 5000; // after which a form that led nowhere can be sent again

/** Ignores the second of two presses of the same button. */
export function sendFormsOnce() {
  let sent = "";
  const forget = () => { sent = ""; };
  addEventListener("pageshow", forget); // also after Back
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.target.method !== "post") return;
    const to = event.submitter?.getAttribute("formaction") ?? event.target.action;
    if (sent === to) { event.preventDefault(); return; }
    sent = to;
    setTimeout(forget, AGAIN_MS);
  });
}

/** After an answer to a form that was sent, makes loading the page again show the form anew. */
export function forgetSentForm() {
  if (document.querySelector("[data-sent]")) history.replaceState(null, "", location.href);
}

/** Takes back what the server said about a field once the field has another value. */
export function clearMendedErrors() {
  document.addEventListener("input", ({ target }) => {
    const group = target.closest("fieldset[aria-describedby]:has(.error)");
    for (const field of group ? [target, group] : [target]) {
      const id = field.id;
      field.removeAttribute("aria-invalid");
      if (!id) continue;
      document.getElementById(`${id}-error`)?.classList.add("is-mended");
      document.querySelector(`#error-summary li:has(a[href="#${CSS.escape(id)}"])`)?.classList.add("is-mended");
    }
    if (target.id === "url") document.getElementById("url-check")?.replaceChildren();
  });
}
