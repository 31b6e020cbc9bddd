// Starts the scripts of a page. Every page works with scripts turned off; where they are on and this one
// fails to load, the filter by one of more than 50 webhooks offers none but the chosen one.

import { attemptOpener } from "./attempt_panel.js";
import { showCopyButtons } from "./copy_buttons.js";
import { clearMendedErrors, forgetSentForm, sendFormsOnce } from "./forms.js";
import { answerEmbeddingPage } from "./framing.js";
import { showFolds } from "./json_view.js";
import { startKeyboard } from "./keyboard.js";
import { startLiveLog } from "./live_log.js";
import { fillLongChoices } from "./long_choices.js";
import { confirmReplays } from "./replay_dialog.js";
import { refreshUntilDone } from "./refresh.js";
import { keepTimesCurrent, nameZones } from "./times.js";
import { enhanceWebhookForm } from "./webhook_form.js";

answerEmbeddingPage();
document.querySelector("form[data-auto-sign-in]")?.requestSubmit();
keepTimesCurrent();
nameZones();
showCopyButtons(document);
showFolds(document);
const form = document.getElementById("form");
if (form) enhanceWebhookForm(form);
document.getElementById("error-summary")?.focus();
const attempts = document.getElementById("attempts");
const opener = attempts ? attemptOpener(attempts) : null;
if (attempts) startLiveLog(attempts, opener);
confirmReplays();
sendFormsOnce();
forgetSentForm();
clearMendedErrors();
fillLongChoices();
startKeyboard(attempts, opener);
refreshUntilDone();
later(layOutRows);

// The first paint has left out the rows below the window. They follow in small parts, so that pictures
// of the whole page have them too.
function layOutRows() {
  const rows = [...document.querySelectorAll("#rows > tr:not(.is-laid-out)")].slice(0, 25);
  for (const row of rows) row.classList.add("is-laid-out");
  if (rows.length) later(layOutRows);
}

function later(act) {
  if ("requestIdleCallback" in window) requestIdleCallback(act);
  else setTimeout(act, 50);
}
