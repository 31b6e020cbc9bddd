// Asks before a replay that somebody may not want: of a delivered delivery, or by a single key.
// Without scripts, the server asks before it sends again what was delivered.

const dialog = document.getElementById("confirm-replay");

/** Asks before the forms of delivered deliveries are sent. */
export function confirmReplays() {
  if (!dialog) return;
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form.replay[data-delivered]") || form.elements.confirmed) return;
    event.preventDefault();
    if (!(await isConfirmed({ delivered: true }))) return;
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: "confirmed", value: "1" });
    form.append(field);
    form.requestSubmit();
    field.remove(); // the next replay asks again, also after Back
  });
}

/** Presses a button that replays, once the user has said so in the dialog. */
export async function replayByKey(button) {
  if (!dialog || dialog.open) return;
  if (button.form.matches("[data-delivered]")) button.click(); // which asks
  else if (await isConfirmed({ delivered: false })) button.click();
}

async function isConfirmed({ delivered }) {
  dialog.querySelector("[data-if-delivered]").hidden = !delivered;
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((resolve) => { dialog.addEventListener("close", resolve, { once: true }); });
  return dialog.returnValue === "replay";
}
