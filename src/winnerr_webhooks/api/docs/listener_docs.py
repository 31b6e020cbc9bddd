"""The operations of listeners: programs that receive deliveries over a stream."""

from typing import Final

from winnerr_webhooks.api import shapes
from winnerr_webhooks.api.docs import examples
from winnerr_webhooks.api.docs.operation import (
    ORGANIZATION,
    READ,
    TEXT,
    WRITE,
    Operation,
    Parameter,
)
from winnerr_webhooks.api.problems import CONFLICT, MISDIRECTED
from winnerr_webhooks.api.routes.listener_routes import ListenerReport
from winnerr_webhooks.management.listeners import ListenerDraft

_LISTENER: Final = ORGANIZATION + "/listeners/{listenerId}"

LISTENERS: Final = (
    Operation(
        method="post",
        path="/api/v1/listeners",
        id="openListener",
        tag="Listeners",
        summary="Open a listener",
        description=(
            "For programs such as `listen`, which receive deliveries over an "
            "outgoing connection. Programs with the same key and `name` share one listener: each "
            "delivery goes to one of them, and the `events` of the last call hold. Its secret "
            "stays the same. With `webhook` it has that webhook's events and secret; that one goes"
            " on receiving its own deliveries. `organizationId` may be left out with an "
            "organization's key. A listener without a stream for 15 minutes ends: what waits is "
            "cancelled, and events make no deliveries for it until this call opens it again."
        ),
        body=ListenerDraft,
        body_example=examples.LISTENER_DRAFT,
        answer=shapes.ListenerShape,
        answer_example=examples.LISTENER,
        refusals=(*WRITE, CONFLICT),
    ),
    Operation(
        method="get",
        path=_LISTENER + "/stream",
        id="streamDeliveries",
        tag="Listeners",
        summary="Stream deliveries",
        description=(
            "Server-sent events, with a comment as heartbeat every 5 seconds. `hello` has the id "
            "of the `stream`. `delivery` has `deliveryId`, `eventId`, `event`, `attempt`, `trigger`"
            " and the request to make: `head` (request line and headers) and `body`. `end` has the "
            "`reason`: `key_revoked`, `replaced`, `stalled`, `ended` or `stopping`. Up to eight "
            "deliveries are sent before their answers. One that is not answered within "
            "DELIVERY_TIMEOUT and 20 seconds ends the stream. Whatever was not answered is sent "
            "again on the next stream, with the same `deliveryId` and `attempt`."
        ),
        parameters=(
            Parameter("forwardTo", "The URL that requests go to.", TEXT),
            Parameter("replaces", "The program's stream before, which ends now.", TEXT),
        ),
        media_type="text/event-stream",
        refusals=(*READ, CONFLICT),
    ),
    Operation(
        method="post",
        path=_LISTENER + "/answers",
        id="answerDelivery",
        tag="Listeners",
        summary="Report an answer",
        description=(
            "It becomes an attempt with the trigger `listen`. `responseHead` and `responseBody` "
            "are base64. 409: this stream does not await the delivery any more. 421: another node "
            "has the stream; send the same call on another connection."
        ),
        body=ListenerReport,
        body_example=examples.LISTENER_REPORT,
        status=204,
        refusals=(*WRITE, CONFLICT, MISDIRECTED),
    ),
)
