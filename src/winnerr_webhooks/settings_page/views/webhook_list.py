"""The Webhooks tab: every webhook of the organization, with its status and health."""

from litestar import Response, get
from litestar.params import FromQuery

from winnerr_webhooks.settings_page.health_summary import (
    Health,
    WebhookOverview,
    sum_buckets,
    webhook_overviews,
    window_start,
)
from winnerr_webhooks.settings_page.page_context import PageContext, PageDependency, PageRequest
from winnerr_webhooks.settings_page.webhook_selection import (
    SORTS,
    STATUSES,
    ListQuery,
    select_webhooks,
)


@get("/")
async def list_webhooks(
    page: PageDependency,
    request: PageRequest,
    done: FromQuery[str] = "",
) -> Response[str]:
    """Show a page of the list: all webhooks, or those found by `q` and `status`."""
    query = ListQuery.read(request.query_params)
    organization = request.auth.organization
    async with page.turn(organization):
        overviews, total = await read_overviews(page, organization)
        return await page.answer_in_thread(
            "webhook_list.html",
            request.auth,
            tab="webhooks",
            selection=select_webhooks(overviews, query),
            statuses=STATUSES,
            sorts=SORTS,
            health=total,
            done=done,
            can_mail=page.config.smtp_url is not None,
        )


async def read_overviews(
    page: PageContext, organization: str
) -> tuple[list[WebhookOverview], Health]:
    """The overview of every webhook, and the health of all of them together."""
    now = page.now()
    webhooks = await page.webhooks.list(organization)
    states = await page.storage.webhook_states(organization)
    buckets = await page.storage.health(organization, window_start(now))
    waiting = sum(state.waiting for state in states)
    return (
        webhook_overviews(webhooks, states, buckets, now),
        sum_buckets(buckets, now, waiting),
    )


ROUTES = (list_webhooks,)
