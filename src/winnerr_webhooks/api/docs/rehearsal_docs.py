"""The operations on rehearsals."""

from typing import Final

from winnerr_webhooks.api import shapes
from winnerr_webhooks.api.docs import examples
from winnerr_webhooks.api.docs.operation import ORGANIZATION, READ, WRITE, Operation
from winnerr_webhooks.api.problems import CONFLICT, UNCERTAIN
from winnerr_webhooks.api.routes.rehearsal_routes import RehearsalRequest

REHEARSALS: Final = (
    Operation(
        method="post",
        path=ORGANIZATION + "/webhooks/{webhookId}/rehearsals",
        id="rehearse",
        tag="Rehearsals",
        summary="Rehearse a webhook",
        description=(
            "Sends the webhook's last events (up to 100; 20 if `last` is left out) to another URL, "
            "one after the other, and keeps the answers. The requests have the recorded body, "
            "headers and attempt number, and are signed with the webhook's secret. No delivery, "
            "retry, health figure or webhook changes. An organization has one rehearsal at a time."
        ),
        body=RehearsalRequest,
        body_example=examples.REHEARSAL_REQUEST,
        status=202,
        answer=shapes.RehearsalShape,
        answer_example=examples.REHEARSAL,
        refusals=(*WRITE, CONFLICT),
    ),
    Operation(
        method="get",
        path=ORGANIZATION + "/rehearsals/{rehearsalId}",
        id="getRehearsal",
        tag="Rehearsals",
        summary="Get a rehearsal with its answers",
        description=(
            "Each answer (`rehearsed`, null while it is to come) is beside the recorded one "
            "(`recorded`, null when it is no longer in the log). Of bodies, the first 1,024 bytes "
            "are kept. Rehearsals stay for 7 days."
        ),
        answer=shapes.RehearsalShape,
        answer_example=examples.REHEARSAL,
        refusals=READ,
    ),
    Operation(
        method="post",
        path=ORGANIZATION + "/rehearsals/{rehearsalId}/cancel",
        id="cancelRehearsal",
        tag="Rehearsals",
        summary="Cancel a rehearsal",
        description="Nothing more is sent. One that has ended stays as it is.",
        answer=shapes.RehearsalShape,
        answer_example=examples.CANCELLED_REHEARSAL,
        refusals=(*READ, UNCERTAIN),
    ),
)
