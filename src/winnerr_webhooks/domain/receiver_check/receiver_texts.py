"""The sentences of a receiver's report card, by line.

`{header_prefix}` and `{signature_header}` stand for the product's own.
"""

from typing import Final

from winnerr_webhooks.domain.receiver_check.receiver_probes import (
    BAD_SIGNATURE,
    EXACT_BYTES,
    GOOD_EVENT,
    LARGE_BODY,
    OLD_TIMESTAMP,
    OUT_OF_ORDER,
    REPEAT,
    SLOW_READING,
    UNKNOWN_EVENT,
)
from winnerr_webhooks.domain.text import Text

TITLES: Final = {
    GOOD_EVENT: Text("A good event"),
    REPEAT: Text("The same delivery again"),
    EXACT_BYTES: Text("Unusual JSON, well signed"),
    BAD_SIGNATURE: Text("A wrong signature"),
    OLD_TIMESTAMP: Text("An old timestamp"),
    UNKNOWN_EVENT: Text("An unknown event type"),
    OUT_OF_ORDER: Text("Two events out of order"),
    LARGE_BODY: Text("A body of 250 KiB"),
    SLOW_READING: Text("Time to read a large body"),
}

ACCEPTED: Final = {
    GOOD_EVENT: Text("Your receiver accepts events."),
    REPEAT: Text(
        "A delivery that arrives twice is accepted twice. Whether your receiver also acts on "
        "it only once cannot be seen from outside."
    ),
    EXACT_BYTES: Text("Your receiver verifies the raw bytes of the body."),
    BAD_SIGNATURE: Text("Forged requests are refused."),
    OLD_TIMESTAMP: Text("Old requests that somebody recorded are refused."),
    UNKNOWN_EVENT: Text("New event types will not cause failures."),
    OUT_OF_ORDER: Text("An older event after a newer one is accepted."),
    LARGE_BODY: Text("The largest events fit."),
    SLOW_READING: Text("Large bodies are read in time."),
}
REFUSED: Final = {
    REPEAT: (
        (
            Text(
                "Your receiver fails when a delivery arrives a second time. It would be retried "
                "until it counts as failed, although you have it."
            )
        ),
        (
            Text(
                "Make it idempotent: store the {header_prefix}Delivery ids of the last days, "
                "and answer 200 to "
                "those you have seen."
            )
        ),
    ),
    EXACT_BYTES: (
        (
            Text(
                "A request with a good signature was refused. Your receiver probably verifies JSON "
                "that it parsed and wrote again, which is not always what was sent."
            )
        ),
        Text("Verify the raw bytes of the body, and parse them afterwards."),
    ),
    UNKNOWN_EVENT: (
        (
            Text(
                "Your receiver fails on an event type that it does not know. When a new one is "
                "added, its deliveries would fail and be retried."
            )
        ),
        Text("Answer 200 to event types that you do not handle, and ignore them."),
    ),
    OUT_OF_ORDER: (
        (
            Text(
                "Your receiver fails when an older event arrives after a newer one. Retries and "
                "parallel requests overtake each other."
            )
        ),
        (
            Text(
                "Accept events in any order: compare their timestamps, and ignore what is "
                "older than "
                "what you have."
            )
        ),
    ),
    LARGE_BODY: (
        Text(
            "The body is larger than your receiver or its proxy allows. Events have up to 256 KiB."
        ),
        (
            Text(
                "Raise the limit to at least 256 KiB: limit: '256kb' in express.raw(), "
                "client_max_body_size in nginx, post_max_size in PHP."
            )
        ),
    ),
}
"""(meaning, remedy) where an answer has to be a success and is none."""

LARGE_BODY_FAILED: Final = Text(
    "Your receiver fails on a large body. Events have up to 256 KiB, and limits on the size of a "
    "body are often lower."
)
UNUSUAL_JSON: Final = (
    Text(
        "Your receiver fails on JSON with escapes, unusual numbers and a member it does not know."
    ),
    Text(
        "See your receiver's own log for the cause. Ignore members of `data` that you do not know."
    ),
)
NOT_REFUSED: Final = {
    BAD_SIGNATURE: (
        Text(
            "Your receiver accepts forged requests. Anyone who learns its URL can send it events."
        ),
        Text("Verify the signature of every request, and answer 401 if it does not match."),
    ),
    OLD_TIMESTAMP: (
        (
            Text(
                "Your receiver accepts a request that was signed an hour ago. Somebody who "
                "recorded "
                "one can send it again."
            )
        ),
        (
            Text(
                "Verify webhook-signature, which covers webhook-timestamp, and refuse what is more "
                "than 5 minutes old. {signature_header} covers no time: with it alone, drop "
                "deliveries "
                "that you have seen."
            )
        ),
    ),
}
REFUSED_BY_FAILING: Final = (
    (
        Text(
            "The request was not accepted, but with a failure in place of a refusal: your "
            "receiver's "
            "code probably raised an error."
        )
    ),
    Text("Answer 401 to a request that you refuse."),
)
SLOW_ANSWER: Final = (
    Text(
        "Your receiver takes more than half of the time it has. Under load, deliveries would "
        "time out."
    ),
    Text("Answer first, and do the work afterwards, such as in a queue."),
)
READS_TOO_SLOWLY: Final = (
    Text("Your receiver did not read a body of 250 KiB and answer in time."),
    (
        Text(
            "Read the whole body at once, and do the work after you have answered. A proxy or "
            "a slow "
            "network before your receiver may be the cause, too."
        )
    ),
)
READS_SLOWLY: Final = (
    Text("A body of 250 KiB takes your receiver more than half of the time it has."),
    READS_TOO_SLOWLY[1],
)
SIGNATURE_CHECK: Final = Text(
    "If it refuses the signature, the signature check finds out why: save the body and the "
    "headers that your receiver got."
)

UNSIGNED: Final = Text("Not checked: the webhook has no secret, so its requests are not signed.")
GOOD_EVENT_FAILED: Final = Text("Not checked, because the good event failed.")
NO_TIME: Final = Text("Not checked: the answers before took so long that the check had to end.")
