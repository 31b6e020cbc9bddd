"""The operations on attempts and deliveries, and those that replay."""

from typing import Final

from winnerr_webhooks.api import shapes
from winnerr_webhooks.api.docs import examples
from winnerr_webhooks.api.docs.operation import (
    ORGANIZATION,
    READ,
    TEXT,
    TIME,
    WRITE,
    Operation,
    Parameter,
)
from winnerr_webhooks.api.problems import CONFLICT, UNCERTAIN
from winnerr_webhooks.api.routes.job_routes import RecoveryRequest
from winnerr_webhooks.api.routes.log_routes import TRIGGERS, ReplayManyRequest

PAGING: Final = (
    Parameter("since", "Only at or after this time.", TIME),
    Parameter("until", "Only before this time.", TIME),
    Parameter(
        "limit",
        "The most items in one answer.",
        {"type": "integer", "minimum": 1, "maximum": 500, "default": 50},
    ),
    Parameter("before", "The `next` of the previous answer.", TEXT),
)
OF_WEBHOOK: Final = Parameter("webhook", "Only of the webhook with this id.", TEXT)
OF_EVENT: Final = Parameter(
    "event", "Only of this event type, or of a pattern such as `contact.*`.", TEXT
)

LOGS: Final = (
    Operation(
        method="get",
        path=ORGANIZATION + "/logs",
        id="listAttempts",
        tag="Logs",
        summary="List attempts",
        description=(
            "Newest first, without headers and bodies. `next` can be set even when the answer has "
            "few items, because a long search stops early. Pass it as `before` to continue."
        ),
        parameters=(
            OF_WEBHOOK,
            OF_EVENT,
            Parameter(
                "outcome",
                "Only attempts with this outcome.",
                {"type": "string", "enum": ["succeeded", "failed"]},
            ),
            Parameter(
                "status",
                "Only this response status, or this class of statuses.",
                {"type": "string", "pattern": "^[1-9]([0-9]{2}|xx)$", "examples": ["503", "5xx"]},
            ),
            Parameter(
                "trigger",
                "Only attempts that were made because of this.",
                {"type": "string", "enum": list(TRIGGERS)},
            ),
            Parameter(
                "minDurationMs",
                "Only attempts that took so many milliseconds or more.",
                {"type": "integer", "minimum": 0, "maximum": 999_999_999},
            ),
            Parameter(
                "q",
                "Part of the request or response (URL, headers, bodies) or of the error, ignoring "
                "case; or an id. In JSON the text is found however it is escaped.",
                {"type": "string", "maxLength": 200},
            ),
            *PAGING,
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
        description="With its request and response as sent and received.",
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
        description="The last accepted first, without attempts and body.",
        parameters=(
            OF_WEBHOOK,
            OF_EVENT,
            Parameter(
                "status",
                "Only deliveries with this status.",
                {"type": "string", "enum": ["pending", "delivered", "failed", "cancelled"]},
            ),
            *PAGING,
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
        description="With its newest 100 attempts, oldest first.",
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
        description="One attempt outside the retry schedule, with the same body and delivery id.",
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
        description="One attempt outside the retry schedule, with the same body and delivery id.",
        status=202,
        answer=shapes.DeliveryStarted,
        answer_example=examples.DELIVERY_STARTED,
        refusals=(*READ, CONFLICT, UNCERTAIN),
    ),
    Operation(
        method="post",
        path=ORGANIZATION + "/deliveries/{deliveryId}/skip",
        id="skipDelivery",
        tag="Replays",
        summary="Skip a delivery that waits",
        description=(
            "It is cancelled, and those that wait for it in the order of its webhook can go. 409: "
            "it has ended, or an attempt of it is being made."
        ),
        status=204,
        refusals=(*READ, CONFLICT, UNCERTAIN),
    ),
    Operation(
        method="post",
        path=ORGANIZATION + "/replays",
        id="replayMany",
        tag="Replays",
        summary="Replay many deliveries",
        description=(
            "Replays every matching `failed` or `cancelled` delivery of active webhooks, except "
            "test events, in the background. `outcome` limits the replay to `failed` or to "
            "`cancelled` deliveries. `since` and `until` are compared with the time when the event "
            "was accepted. With `dryRun`, the deliveries are only counted."
        ),
        body=ReplayManyRequest,
        body_example=examples.REPLAY_MANY,
        status=202,
        answer=shapes.ReplayedShape,
        answer_example=examples.REPLAYED,
        refusals=WRITE,
    ),
    Operation(
        method="post",
        path=ORGANIZATION + "/webhooks/{webhookId}/recoveries",
        id="recoverWebhook",
        tag="Replays",
        summary="Recover what a webhook missed",
        description=(
            "Gives every `failed` or `cancelled` delivery of the webhook its whole retry schedule "
            "anew, in the background, if its event was accepted from `since` on and before "
            "`until`. Test events, and events that the webhook no longer subscribes to, are not "
            "sent. With `dryRun`, the deliveries are only counted. The webhook must be active."
        ),
        body=RecoveryRequest,
        body_example=examples.RECOVERY_REQUEST,
        status=202,
        answer=shapes.RecoveryShape,
        answer_example=examples.RECOVERY,
        refusals=(*WRITE, CONFLICT),
    ),
    Operation(
        method="get",
        path=ORGANIZATION + "/jobs",
        id="listJobs",
        tag="Replays",
        summary="List jobs",
        description="The newest 100 recoveries, newest first. `replayCancelled` makes one too.",
        parameters=(OF_WEBHOOK,),
        answer=shapes.JobList,
        answer_example=examples.JOB_LIST,
        refusals=READ,
    ),
    Operation(
        method="get",
        path=ORGANIZATION + "/jobs/{jobId}",
        id="getJob",
        tag="Replays",
        summary="Get a job with its progress",
        description=(
            "Jobs stay for 30 days. A delivery is counted in one figure. `notSent` says why: the "
            "job was cancelled (`stopped`), the webhook was `paused`, `disabled` or `deleted`, or "
            "it no longer subscribes to the event type (`unsubscribed`)."
        ),
        answer=shapes.JobShape,
        answer_example=examples.JOB,
        refusals=READ,
    ),
    Operation(
        method="post",
        path=ORGANIZATION + "/jobs/{jobId}/cancel",
        id="cancelJob",
        tag="Replays",
        summary="Cancel a job",
        description=(
            "What is not sent yet becomes `cancelled`. Attempts in flight are finished. A job that "
            "has ended stays as it is, so the call can be repeated."
        ),
        answer=shapes.JobShape,
        answer_example=examples.CANCELLED_JOB,
        refusals=(*READ, UNCERTAIN),
    ),
)
