"""The Webhooks tab: the list, one webhook, and what its buttons do."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from winnerr_webhooks.domain.attempt import LoggedAttempt
from winnerr_webhooks.domain.catalog import ALL_EVENTS
from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.webhook import ACTIVE, PAUSED, Webhook
from winnerr_webhooks.ids import is_id
from winnerr_webhooks.management.webhook_management import WebhookPatch
from winnerr_webhooks.settings_page.health_summary import (
    Health,
    WebhookOverview,
    sum_buckets,
    webhook_overviews,
    window_start,
)
from winnerr_webhooks.settings_page.log_rows import Row, make_rows
from winnerr_webhooks.settings_page.page_context import Given, Page, PageRequest, form_of, go
from winnerr_webhooks.settings_page.session import Visitor
from winnerr_webhooks.settings_page.snippets import snippets
from winnerr_webhooks.storage.values import Delivery, LogFilter

_RECENT: Final = 10


@get("/")
async def list_webhooks(
    page: Given, request: PageRequest, done: FromQuery[str] = ""
) -> Response[str]:
    """List every webhook with how it stands."""
    organization = request.auth.organization
    async with page.turn(organization):
        lines, total = await glance(page, organization)
        return await page.answer_aside(
            "webhooks.html", request.auth, tab="webhooks", lines=lines, health=total, done=done
        )


@get("/{webhook:str}")
async def show_webhook(
    page: Given,
    request: PageRequest,
    webhook: FromPath[str],
    done: FromQuery[str] = "",
    test: FromQuery[str] = "",
) -> Response[str]:
    """Show one webhook."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    warnings = await _warnings(page, found.url) if done in ("created", "saved") else ()
    async with page.turn(found.organization):
        values = await webhook_values(page, request.auth, found) | {"warnings": warnings}
        if is_id("dlv", test):
            values["test"] = await _test_values(page, found.organization, test)
        return await page.answer_aside("webhook.html", request.auth, done=done, **values)


@post("/{webhook:str}/test")
async def send_test(page: Given, request: PageRequest, webhook: FromPath[str]) -> Response[str]:
    """Send a sample event once, and show what comes of it."""
    target = await page.webhooks.get(request.auth.organization, webhook)
    delivery = await page.webhooks.send_test(target, form_of(request).text("event") or None)
    return go(f"/{webhook}?test={delivery}")


@post("/{webhook:str}/pause")
async def pause(page: Given, request: PageRequest, webhook: FromPath[str]) -> Response[str]:
    """Stop sending; what waits is cancelled, and can be sent on resuming."""
    patch = WebhookPatch(status=PAUSED)
    await page.webhooks.change(request.auth.organization, webhook, patch)
    page.record("webhook paused", request.auth, webhook=webhook)
    return go(f"/{webhook}?done=paused")


@post("/{webhook:str}/resume")
async def resume(page: Given, request: PageRequest, webhook: FromPath[str]) -> Response[str]:
    """Send again, with what was missed where that is wished."""
    missed = form_of(request).has("missed")
    patch = WebhookPatch(status=ACTIVE, replay_cancelled=missed)
    await page.webhooks.change(request.auth.organization, webhook, patch)
    page.record("webhook resumed", request.auth, webhook=webhook)
    return go(f"/{webhook}?done={'resumed_all' if missed else 'resumed'}")


@get("/{webhook:str}/delete", admin=True)
async def ask_delete(page: Given, request: PageRequest, webhook: FromPath[str]) -> Response[str]:
    """Say what deleting does before it is done."""
    organization = request.auth.organization
    found = await page.webhooks.get(organization, webhook)
    (line,) = await _lines(page, organization, [found])
    missed = await page.storage.cancelled(organization, found.id)
    return page.answer("delete.html", request.auth, webhook=found, line=line, missed=missed)


@post("/{webhook:str}/delete")
async def delete(page: Given, request: PageRequest, webhook: FromPath[str]) -> Response[str]:
    """Delete a webhook; its log stays."""
    await page.webhooks.delete(request.auth.organization, webhook)
    page.record("webhook deleted", request.auth, webhook=webhook)
    return go("?done=deleted")


async def glance(page: Page, organization: str) -> tuple[list[WebhookOverview], Health]:
    """Every webhook's line, and the figures over all of them."""
    now = page.now()
    webhooks = await page.webhooks.list(organization)
    states = await page.storage.webhook_states(organization)
    buckets = await page.storage.health(organization, window_start(now))
    waiting = sum(state.waiting for state in states)
    return (
        webhook_overviews(webhooks, states, buckets, now),
        sum_buckets(buckets, now, waiting),
    )


async def webhook_values(page: Page, visitor: Visitor, found: Webhook) -> dict[str, Any]:
    """What the page of one webhook shows."""
    organization = found.organization
    (line,) = await _lines(page, organization, [found])
    missed = 0
    if found.status != ACTIVE:
        missed = await page.storage.cancelled(organization, found.id)
    recent = await page.storage.log(
        LogFilter(organization=organization, webhook=found.id, limit=_RECENT)
    )
    chosen = page.catalog.names if found.events == (ALL_EVENTS,) else found.events
    return {
        "tab": "webhooks",
        "webhook": found,
        "line": line,
        "missed": missed,
        "rows": rows_of(page, recent.items, [found]),
        "events": [page.catalog.get(name) for name in chosen],
        "all_events": found.events == (ALL_EVENTS,),
        "names": page.catalog.names,
        "snippets": snippets(page.environment, found.url, page.header_prefix),
        "header": f"X-{page.header_prefix}-Signature",
        "warnings": (),
        "test": None,
        "secret": None,
        "errors": None,
        "is_admin": visitor.is_admin,
    }


def rows_of(page: Page, attempts: list[LoggedAttempt], webhooks: list[Webhook]) -> list[Row]:
    """Log rows of attempts, newest first."""
    return make_rows(
        attempts,
        active={webhook.id for webhook in webhooks if webhook.status == ACTIVE},
        known={webhook.id for webhook in webhooks},
        most_attempts=len(page.config.retry_schedule) + 1,
        longest_ms=page.config.delivery_timeout * 1000,
        now=page.now(),
    )


async def _lines(page: Page, organization: str, webhooks: list[Webhook]) -> list[WebhookOverview]:
    now = page.now()
    wanted = {webhook.id for webhook in webhooks}
    states = await page.storage.webhook_states(organization)
    buckets = await page.storage.health(organization, window_start(now))
    return webhook_overviews(webhooks, states, [b for b in buckets if b.webhook_id in wanted], now)


async def _warnings(page: Page, url: str) -> tuple[str, ...]:
    """What was said when it was saved; said again, for nothing keeps it."""
    try:
        return await page.webhooks.check_url(url)
    except Invalid:
        return ()


async def _test_values(page: Page, organization: str, delivery_id: str) -> dict[str, Any] | None:
    delivery: Delivery | None = await page.storage.delivery(organization, delivery_id)
    if delivery is None:
        return None
    return {"delivery": delivery, "attempt": delivery.attempts[-1] if delivery.attempts else None}


ROUTES = (list_webhooks, show_webhook, send_test, pause, resume, ask_delete, delete)
