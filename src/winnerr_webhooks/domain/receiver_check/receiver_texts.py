"""The sentences of a receiver's report card, by line.

`X-…-` stands for the prefix of the product's headers.
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

TITLES: Final = {
    GOOD_EVENT: "A good event",
    REPEAT: "The same delivery again",
    EXACT_BYTES: "Unusual JSON, well signed",
    BAD_SIGNATURE: "A wrong signature",
    OLD_TIMESTAMP: "An old timestamp",
    UNKNOWN_EVENT: "An unknown event type",
    OUT_OF_ORDER: "Two events out of order",
    LARGE_BODY: "A body of 250 KiB",
    SLOW_READING: "Time to read a large body",
}

ACCEPTED: Final = {
    GOOD_EVENT: "Your receiver accepts events.",
    REPEAT: "A delivery that arrives twice is accepted twice. Whether your receiver also acts on "
    "it only once cannot be seen from outside.",
    EXACT_BYTES: "Your receiver verifies the raw bytes of the body.",
    BAD_SIGNATURE: "Forged requests are refused.",
    OLD_TIMESTAMP: "Old requests that somebody recorded are refused.",
    UNKNOWN_EVENT: "New event types will not cause failures.",
    OUT_OF_ORDER: "An older event after a newer one is accepted.",
    LARGE_BODY: "The largest events fit.",
    SLOW_READING: "Large bodies are read in time.",
}
REFUSED: Final = {
    REPEAT: (
        (
            "Your receiver fails when a delivery arrives a second time. It would be retried "
            "until it counts as failed, although you have it."
        ),
        (
            "Make it idempotent: store the X-…-Delivery ids of the last days, and answer 200 to "
            "those you have seen."
        ),
    ),
    EXACT_BYTES: (
        (
            "A request with a good signature was refused. Your receiver probably verifies JSON "
            "that it parsed and wrote again, which is not always what was sent."
        ),
        "Verify the raw bytes of the body, and parse them afterwards.",
    ),
    UNKNOWN_EVENT: (
        (
            "Your receiver fails on an event type that it does not know. When a new one is "
            "added, its deliveries would fail and be retried."
        ),
        "Answer 200 to event types that you do not handle, and ignore them.",
    ),
    OUT_OF_ORDER: (
        (
            "Your receiver fails when an older event arrives after a newer one. Retries and "
            "parallel requests overtake each other."
        ),
        (
            "Accept events in any order: compare their timestamps, and ignore what is older than "
            "what you have."
        ),
    ),
    LARGE_BODY: (
        "The body is larger than your receiver or its proxy allows. Events have up to 256 KiB.",
        (
            "Raise the limit to at least 256 KiB: limit: '256kb' in express.raw(), "
            "client_max_body_size in nginx, post_max_size in PHP."
        ),
    ),
}
"""(meaning, remedy) where an answer has to be a success and is none."""

LARGE_BODY_FAILED: Final = (
    "Your receiver fails on a large body. Events have up to 256 KiB, and limits on the size of a "
    "body are often lower."
)
UNUSUAL_JSON: Final = (
    "Your receiver fails on JSON with escapes, unusual numbers and a member it does not know.",
    "See your receiver's own log for the cause. Ignore members of `data` that you do not know.",
)
NOT_REFUSED: Final = {
    BAD_SIGNATURE: (
        "Your receiver accepts forged requests. Anyone who learns its URL can send it events.",
        "Verify the signature of every request, and answer 401 if it does not match.",
    ),
    OLD_TIMESTAMP: (
        (
            "Your receiver accepts a request that was signed an hour ago. Somebody who recorded "
            "one can send it again."
        ),
        (
            "Verify webhook-signature, which covers webhook-timestamp, and refuse what is more "
            "than 5 minutes old. X-…-Signature covers no time: with it alone, drop deliveries "
            "that you have seen."
        ),
    ),
}
REFUSED_BY_FAILING: Final = (
    (
        "The request was not accepted, but with a failure in place of a refusal: your receiver's "
        "code probably raised an error."
    ),
    "Answer 401 to a request that you refuse.",
)
SLOW_ANSWER: Final = (
    "Your receiver takes more than half of the time it has. Under load, deliveries would time out.",
    "Answer first, and do the work afterwards, such as in a queue.",
)
READS_TOO_SLOWLY: Final = (
    "Your receiver did not read a body of 250 KiB and answer in time.",
    (
        "Read the whole body at once, and do the work after you have answered. A proxy or a slow "
        "network before your receiver may be the cause, too."
    ),
)
READS_SLOWLY: Final = (
    "A body of 250 KiB takes your receiver more than half of the time it has.",
    READS_TOO_SLOWLY[1],
)
SIGNATURE_CHECK: Final = (
    " If it refuses the signature, the signature check finds out why: save the body and the "
    "headers that your receiver got."
)

UNSIGNED: Final = "Not checked: the webhook has no secret, so its requests are not signed."
GOOD_EVENT_FAILED: Final = "Not checked, because the good event failed."
NO_TIME: Final = "Not checked: the answers before took so long that the check had to end."
