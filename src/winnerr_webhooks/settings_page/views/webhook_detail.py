"""The page of one webhook, and its buttons: test event, pause, resume and delete."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.event_pattern import ALL_EVENTS
from winnerr_webhooks.domain.retry import waits_of
from winnerr_webhooks.domain.webhook import ACTIVE, PAUSED, Webhook
from winnerr_webhooks.ids import is_id
from winnerr_webhooks.management.webhook_drafts import WebhookPatch
from winnerr_webhooks.settings_page.health_summary import (
    WebhookOverview,
    webhook_overviews,
    window_start,
)
from winnerr_webhooks.settings_page.log_rows import make_rows
from winnerr_webhooks.settings_page.page_context import (
    PageContext,
    PageDependency,
    PageRequest,
    form_of,
    redirect,
)
from winnerr_webhooks.settings_page.session import Visitor
from winnerr_webhooks.settings_page.snippets import snippets
from winnerr_webhooks.storage.values import Delivery, LogFilter

_RECENT_ATTEMPTS: Final = 10
_RECENT_JOBS: Final = 3


@get("/{webhook:str}")
async def show_webhook(
    page: PageDependency,
    request: PageRequest,
    webhook: FromPath[str],
    done: FromQuery[str] = "",
    test: FromQuery[str] = "",
) -> Response[str]:
    """Show one webhook. `test` is the delivery id of a test event whose result to show."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    warnings = await _url_warnings(page, found.url) if done in ("created", "saved") else ()
    async with page.turn(found.organization):
        values = await webhook_values(page, request.auth, found) | {"warnings": warnings}
        if is_id("dlv", test):
            values["test"] = await _test_values(page, found.organization, test)
        shows_secret = (
            found.has_secret
            and request.auth.is_admin
            and page.auth.takes_reveal(request.scope, request.auth, found.id)
        )
        if shows_secret:
            values["secret"] = await page.webhooks.reveal_secret(found.organization, found.id)
            page.audit("signing key revealed", request.auth, webhook=found.id)
        answer = await page.answer_in_thread(
            "webhook_detail.html", request.auth, done=done, **values
        )
    if shows_secret:
        answer.headers["Set-Cookie"] = page.auth.used_reveal_cookie()
    return answer


@post("/{webhook:str}/test")
async def send_test(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Send an example event once, and show its result on the webhook's page."""
    target = await page.webhooks.get(request.auth.organization, webhook)
    delivery = await page.webhooks.send_test(target, form_of(request).text("event") or None)
    return redirect(f"/{webhook}?test={delivery}")


@post("/{webhook:str}/pause")
async def pause(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Stop sending. Waiting deliveries are cancelled; resuming can send them."""
    patch = WebhookPatch(status=PAUSED)
    await page.webhooks.change(request.auth.organization, webhook, patch)
    page.audit("webhook paused", request.auth, webhook=webhook)
    return redirect(f"/{webhook}?done=paused")


@post("/{webhook:str}/resume")
async def resume(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Send again; also send the missed events when the box in the form is ticked."""
    missed = form_of(request).has("missed")
    patch = WebhookPatch(status=ACTIVE, replay_cancelled=missed)
    await page.webhooks.change(request.auth.organization, webhook, patch)
    page.audit("webhook resumed", request.auth, webhook=webhook)
    return redirect(f"/{webhook}?done={'resumed_all' if missed else 'resumed'}")


@get("/{webhook:str}/delete", admin=True)
async def confirm_delete(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Show what deleting the webhook would do, and ask for confirmation."""
    organization = request.auth.organization
    found = await page.webhooks.get(organization, webhook)
    overview = await _overview(page, found)
    missed = await page.storage.cancelled(organization, found.id)
    return page.answer(
        "delete_webhook.html", request.auth, webhook=found, overview=overview, missed=missed
    )


@post("/{webhook:str}/delete")
async def delete(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Delete a webhook. Its attempts stay in the log."""
    await page.webhooks.delete(request.auth.organization, webhook)
    page.audit("webhook deleted", request.auth, webhook=webhook)
    return redirect("?done=deleted")


async def webhook_values(page: PageContext, visitor: Visitor, found: Webhook) -> dict[str, Any]:
    """The values that the template of one webhook needs."""
    organization = found.organization
    missed = 0
    if found.status != ACTIVE:
        missed = await page.storage.cancelled(organization, found.id)
    recent = await page.storage.log(
        LogFilter(organization=organization, webhook=found.id, limit=_RECENT_ATTEMPTS)
    )
    return {
        "tab": "webhooks",
        "webhook": found,
        "overview": await _overview(page, found),
        "missed": missed,
        "rows": make_rows(page, recent.items, [found]),
        "jobs": (await page.recoveries.jobs(organization, found.id))[:_RECENT_JOBS],
        "events": page.catalog.chosen(found.events) or page.catalog.chosen([ALL_EVENTS]),
        "all_events": found.events == (ALL_EVENTS,),
        "subscriptions": [(pattern, page.catalog.chosen([pattern])) for pattern in found.events],
        "delivery": {
            "timeout": f"{found.timeout or page.config.delivery_timeout:g}",
            "waits": waits_of(found.retry_schedule, page.config.retry_schedule),
        },
        "snippets": snippets(page.environment, found.url, page.branding),
        "header": page.branding.signature_header,
        "warnings": (),
        "test": None,
        "secret": None,
        "errors": None,
        "is_admin": visitor.is_admin,
    }


async def _overview(page: PageContext, webhook: Webhook) -> WebhookOverview:
    now = page.now()
    states = await page.storage.webhook_states(webhook.organization)
    buckets = await page.storage.health(webhook.organization, window_start(now))
    buckets = [bucket for bucket in buckets if bucket.webhook_id == webhook.id]
    (overview,) = webhook_overviews([webhook], states, buckets, now)
    return overview


async def _url_warnings(page: PageContext, url: str) -> tuple[str, ...]:
    """The warnings about a URL that was just saved. They are not stored, so check it again."""
    try:
        return await page.webhooks.check_url(url)
    except Invalid:
        return ()


async def _test_values(
    page: PageContext, organization: str, delivery_id: str
) -> dict[str, Any] | None:
    delivery: Delivery | None = await page.storage.delivery(organization, delivery_id)
    if delivery is None:
        return None
    return {"delivery": delivery, "attempt": delivery.attempts[-1] if delivery.attempts else None}


ROUTES = (show_webhook, send_test, pause, resume, confirm_delete, delete)
