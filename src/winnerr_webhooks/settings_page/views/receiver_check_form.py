"""Check receiver: sends sample requests to a webhook's URL and shows a report card."""

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath

from winnerr_webhooks.domain.activity import RECEIVER_CHECKED
from winnerr_webhooks.domain.errors import NotFound
from winnerr_webhooks.domain.event_pattern import ALL_EVENTS
from winnerr_webhooks.domain.receiver_check.receiver_report import ReceiverReport
from winnerr_webhooks.domain.webhook import DELETED, Webhook, webhook_is_gone
from winnerr_webhooks.settings_page.page_context import (
    PageContext,
    PageDependency,
    PageRequest,
    form_of,
)


@get("/{webhook:str}/check-receiver", admin=True)
async def show_receiver_check(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Show what will be sent, and the button."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    return _answer(page, request, found, "", None)


@post("/{webhook:str}/check-receiver", status_code=200)
async def run_receiver_check(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Send the requests, and show the report card."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    event = form_of(request).text("event") or ALL_EVENTS
    targets = await page.storage.targets([found.id])
    if not targets or targets[0].status == DELETED:
        raise NotFound(webhook_is_gone(found.id))
    await page.storage.record_activity(found.organization, RECEIVER_CHECKED, webhook=found.id)
    page.audit("receiver checked", request.auth, webhook=found.id)
    report = await page.receiver_checks.check(targets[0], event)
    return _answer(page, request, found, event, report)


def _answer(
    page: PageContext,
    request: PageRequest,
    webhook: Webhook,
    event: str,
    report: ReceiverReport | None,
) -> Response[str]:
    types = page.catalog.chosen(webhook.events) or page.catalog.chosen([ALL_EVENTS])
    names = [one.name for one in types]
    values: dict[str, Any] = {"webhook": webhook, "events": names, "event": event, "report": report}
    return page.answer("receiver_check.html", request.auth, **values)


ROUTES = (show_receiver_check, run_receiver_check)
