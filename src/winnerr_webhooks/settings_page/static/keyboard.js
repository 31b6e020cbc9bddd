// j and k move, enter opens, r replays, / searches, ? shows this.

/** Listens for keys, but never while one writes. */
export function startKeyboard(attempts, opener) {
  const help = document.getElementById("keys");
  let at = null;

  const links = () => [...attempts.querySelectorAll("#rows > tr:not(.opened) .result a")];
  const current = () => {
    const row = document.activeElement?.closest?.("tr");
    return row?.querySelector(".result a") ?? (at?.isConnected ? at : null);
  };
  const move = (step) => {
    const all = links();
    const index = all.indexOf(current());
    at = all[Math.min(Math.max(index + step, 0), all.length - 1)];
    at?.focus();
    at?.scrollIntoView({ block: "nearest" });
  };
  const replay = () => {
    const row = current()?.closest("tr");
    const open = row?.nextElementSibling;
    const panel = open?.classList.contains("opened") ? open : document;
    const button = row?.querySelector(".next button") ?? panel.querySelector("form.replay button");
    button?.click();
  };
  const keys = {
    j: () => attempts && move(1),
    k: () => attempts && move(-1),
    r: () => replay(),
    "/": () => document.getElementById("f-q")?.focus(),
    "?": () => help?.showModal(),
  };

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest?.("input, select, textarea, dialog, [contenteditable]")) return;
    if (event.key === "Enter" && attempts && event.target === document.body && at?.isConnected) {
      opener.toggle(at);
      return;
    }
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
