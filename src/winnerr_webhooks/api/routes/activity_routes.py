"""`GET …/activity`: who did what in an organization."""

from litestar import get
from litestar.params import FromPath

from winnerr_webhooks.api.activity_shapes import ActivityPageShape, activity_page
from winnerr_webhooks.api.json_body import ApiRequest
from winnerr_webhooks.api.query_parameters import QueryParameters
from winnerr_webhooks.api.services import ServicesDependency
from winnerr_webhooks.domain.activity import ACTIONS
from winnerr_webhooks.storage.activity_port import ActivityFilter

PARAMETERS = ("webhook", "actor", "action", "since", "until", "limit", "before")


@get("/activity", query=PARAMETERS)
async def list_activity(
    services: ServicesDependency, request: ApiRequest, organization: FromPath[str]
) -> ActivityPageShape:
    """List entries of the activity log, newest first."""
    query: QueryParameters = request.state.query
    return activity_page(
        await services.storage.activity(
            ActivityFilter(
                organization=organization,
                webhook=query.text("webhook"),
                actor=query.short_text("actor"),
                action=query.choice("action", ACTIONS),
                since=query.timestamp("since"),
                until=query.timestamp("until"),
                limit=query.limit(),
                before=query.cursor("act"),
            )
        )
    )
