// Shows the times of a page in the reader's time zone before the page is painted for the first time.
// They are wider or narrower than in UTC, so later they would move what stands beside them.

import { showLocalFields, showTimes } from "./times.js";

showTimes(document);
showLocalFields(document);
