"""The operations that look back, and replay."""

from typing import Final

from winnerr_webhooks.api import shapes
from winnerr_webhooks.api.docs import examples
from winnerr_webhooks.api.docs.operation import (
    MOMENT,
    ORGANIZATION,
    READ,
    TEXT,
    WRITE,
    Operation,
    Parameter,
)
from winnerr_webhooks.api.problems import CONFLICT, UNCERTAIN
from winnerr_webhooks.api.routes.log_routes import ReplayManyRequest

_PAGING: Final = (
    Parameter("since", "From this moment on.", MOMENT),
    Parameter("until", "Up to this moment, without it.", MOMENT),
    Parameter(
        "limit",
        "The most items in one answer.",
        {"type": "integer", "minimum": 1, "maximum": 500, "default": 50},
    ),
    Parameter("before", "The `next` of the answer before.", TEXT),
)
_OF_WEBHOOK: Final = Parameter("webhook", "Only of this webhook, by its id.", TEXT)
_OF_EVENT: Final = Parameter("event", "Only of this event type.", TEXT)

LOGS: Final = (
    Operation(
        method="get",
        path=ORGANIZATION + "/logs",
        id="listAttempts",
        tag="Logs",
        summary="List attempts",
        text=(
            "Newest first, without headers and bodies. `next` may be set although few items "
            "came: a sparse search stops early and goes on from there."
        ),
        parameters=(
            _OF_WEBHOOK,
            _OF_EVENT,
            Parameter(
                "outcome",
                "Only these.",
                {"type": "string", "enum": ["succeeded", "failed"]},
            ),
            Parameter(
                "status",
                "Only this response status, or this class of them.",
                {"type": "string", "pattern": "^[1-9]([0-9]{2}|xx)$", "examples": ["503", "5xx"]},
            ),
            Parameter(
                "q",
                "A part of request body, response body or error, in any case; or an id.",
                {"type": "string", "maxLength": 200},
            ),
            *_PAGING,
        ),
        answer=shapes.AttemptPage,
        answer_example=examples.ATTEMPT_PAGE,
        refusals=READ,
    ),
    Operation(
        method="get",
        path=ORGANIZATION + "/logs/{attemptId}",
        id="getAttempt",
        tag="Logs",
        summary="Get an attempt",
        text="With the request and the response as they were.",
        answer=shapes.AttemptShape,
        answer_example=examples.ATTEMPT,
        refusals=READ,
    ),
    Operation(
        method="get",
        path=ORGANIZATION + "/deliveries",
        id="listDeliveries",
        tag="Logs",
        summary="List deliveries",
        text="Newest acceptance first, without attempts and body.",
        parameters=(
            _OF_WEBHOOK,
            _OF_EVENT,
            Parameter(
                "status",
                "Only in this state.",
                {"type": "string", "enum": ["pending", "delivered", "failed", "cancelled"]},
            ),
            *_PAGING,
        ),
        answer=shapes.DeliveryList,
        answer_example=examples.DELIVERY_LIST,
        refusals=READ,
    ),
    Operation(
        method="get",
        path=ORGANIZATION + "/deliveries/{deliveryId}",
        id="getDelivery",
        tag="Logs",
        summary="Get a delivery with its attempts",
        answer=shapes.DeliveryShape,
        answer_example=examples.DELIVERY,
        refusals=READ,
    ),
    Operation(
        method="post",
        path=ORGANIZATION + "/logs/{attemptId}/replay",
        id="replayAttempt",
        tag="Replays",
        summary="Replay the delivery of an attempt",
        text="One attempt outside the retry schedule, with the same bytes and delivery id.",
        status=202,
        answer=shapes.DeliveryStarted,
        answer_example=examples.DELIVERY_STARTED,
        refusals=(*READ, CONFLICT, UNCERTAIN),
    ),
    Operation(
        method="post",
        path=ORGANIZATION + "/deliveries/{deliveryId}/replay",
        id="replayDelivery",
        tag="Replays",
        summary="Replay a delivery",
        text="One attempt outside the retry schedule, with the same bytes and delivery id.",
        status=202,
        answer=shapes.DeliveryStarted,
        answer_example=examples.DELIVERY_STARTED,
        refusals=(*READ, CONFLICT, UNCERTAIN),
    ),
    Operation(
        method="post",
        path=ORGANIZATION + "/replays",
        id="replayMany",
        tag="Replays",
        summary="Replay many deliveries",
        text=(
            "Every matching `failed` or `cancelled` delivery (no tests) of active webhooks, in "
            "the background. `outcome` narrows to `failed` or to `cancelled` ones; `since` and "
            "`until` are times of acceptance. With `dryRun` they are only counted."
        ),
        body=ReplayManyRequest,
        body_example=examples.REPLAY_MANY,
        status=202,
        answer=shapes.ReplayedShape,
        answer_example=examples.REPLAYED,
        refusals=WRITE,
    ),
)
