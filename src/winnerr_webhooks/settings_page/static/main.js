// Makes the page quicker. It is whole without any of this.

import { showCopyButtons } from "./copy.js";
import { enhanceForm } from "./form.js";
import { startKeyboard } from "./keyboard.js";
import { startLive } from "./live.js";
import { openInPlace } from "./open.js";
import { refreshUntilDone } from "./refresh.js";
import { showTimes, tick } from "./time.js";

showTimes(document);
tick();
showCopyButtons(document);
const form = document.getElementById("form");
if (form) enhanceForm(form);
document.getElementById("error-summary")?.focus();
const attempts = document.getElementById("attempts");
if (attempts) {
  const opener = openInPlace(attempts);
  const live = startLive(attempts, opener);
  startKeyboard(attempts, opener, live);
} else {
  startKeyboard(null, null, null);
}
refreshUntilDone();
