// Starts the scripts of a page. Every page works without them.

import { attemptOpener } from "./attempt_panel.js";
import { showCopyButtons } from "./copy_buttons.js";
import { clearMendedErrors, forgetSentForm, sendFormsOnce } from "./forms.js";
import { answerEmbeddingPage } from "./framing.js";
import { showFolds } from "./json_view.js";
import { startKeyboard } from "./keyboard.js";
import { startLiveLog } from "./live_log.js";
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
startKeyboard(attempts, opener);
refreshUntilDone();
