"""The operation that reads the activity log."""

from typing import Final

from winnerr_webhooks.api.activity_shapes import ActivityPageShape
from winnerr_webhooks.api.docs import examples
from winnerr_webhooks.api.docs.log_docs import OF_WEBHOOK, PAGING
from winnerr_webhooks.api.docs.operation import ORGANIZATION, READ, Operation, Parameter
from winnerr_webhooks.domain.activity import ACTIONS

ACTIVITY: Final = (
    Operation(
        method="get",
        path=ORGANIZATION + "/activity",
        id="listActivity",
        tag="Activity",
        summary="List who did what",
        description=(
            "Newest first: every change of a webhook, a secret or the alerts, and every reveal, "
            "test, replay, recovery and sign-in, by users of the settings page, by API keys and by "
            "commands. "
            "`changes` has the old and the new value of each field, but no confidential one. "
            "`subjectId` names what else was acted on: a delivery, a test's event, a job, a "
            "rehearsal, a listener or an API key. Entries stay for LOG_RETENTION_DAYS."
        ),
        parameters=(
            OF_WEBHOOK,
            Parameter(
                "actor",
                "Only by this actor: a user's name, a key's name or id, or `user`, `key`, "
                "`command` or `service`.",
                {"type": "string", "maxLength": 200},
            ),
            Parameter("action", "Only this action.", {"type": "string", "enum": list(ACTIONS)}),
            *PAGING,
        ),
        answer=ActivityPageShape,
        answer_example=examples.ACTIVITY_PAGE,
        refusals=READ,
    ),
)
