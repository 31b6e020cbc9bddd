"""The page of one event: its payload, and every delivery and attempt of it; replays them."""

from http import HTTPStatus
from typing import Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from winnerr_webhooks.domain.attempt import LoggedAttempt
from winnerr_webhooks.domain.delivery import DELIVERED, PENDING
from winnerr_webhooks.domain.errors import Conflict, NotFound
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.domain.webhook import ACTIVE, Webhook
from winnerr_webhooks.ids import is_id
from winnerr_webhooks.settings_page.http_text import body_text
from winnerr_webhooks.settings_page.log_rows import attempt_result
from winnerr_webhooks.settings_page.page_context import (
    PageContext,
    PageDependency,
    PageRequest,
    form_of,
    redirect,
)
from winnerr_webhooks.storage.values import Delivery, LogFilter, StoredEvent

MAX_ATTEMPTS: Final = 500
"""The newest attempts of the event that are shown."""
ALL, UNDELIVERED = "all", "undelivered"


class DeliveryRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One delivery of the event, with its attempts, oldest first."""

    delivery: Delivery
    webhook: Webhook | None
    """None: it was deleted, or it is a listener."""
    attempts: list[tuple[LoggedAttempt, str]]
    """Each with its result in a few words."""

    @property
    def is_delivered(self) -> bool:
        """Whether an attempt succeeded."""
        return self.delivery.status == DELIVERED

    @property
    def skippable(self) -> str:
        """The delivery to skip so that its order goes on; empty: there is none."""
        if self.delivery.status != PENDING or self.webhook is None or self.delivery.test:
            return ""
        if self.delivery.waits_for is not None:
            return self.delivery.waits_for
        return self.delivery.id if self.webhook.order_by is not None and self.attempts else ""

    @property
    def obstacle(self) -> str:
        """Why it cannot be replayed now; empty: it can be."""
        if self.webhook is None:
            return "deleted"
        return "" if self.webhook.status == ACTIVE else self.webhook.status


@get("/events/{event:str}")
async def show_event(
    page: PageDependency,
    request: PageRequest,
    event: FromPath[str],
    replayed: FromQuery[int] = 0,
    skipped: FromQuery[int] = 0,
) -> Response[str]:
    """Show an event. `replayed` and `skipped` are how many deliveries a replay took."""
    return await _page(page, request, event, replayed=replayed, skipped=skipped)


async def _page(
    page: PageContext,
    request: PageRequest,
    event: str,
    *,
    replayed: int = 0,
    skipped: int = 0,
    refusal: str = "",
) -> Response[str]:
    """The page of an event; `refusal` says why something was not done."""
    organization = request.auth.organization
    found = await _find(page, organization, event)
    query = LogFilter(organization=organization, text=found.id, limit=MAX_ATTEMPTS)
    logged = await page.storage.log(query)
    webhooks = {webhook.id: webhook for webhook in await page.webhooks.list(organization)}
    rows = _rows(found, logged.items, webhooks)
    async with page.turn(organization):
        return await page.answer_in_thread(
            "event.html",
            request.auth,
            status=HTTPStatus.CONFLICT if refusal else HTTPStatus.OK,
            tab="logs",
            event=found,
            refusal=refusal,
            body=body_text(found.body, "application/json"),
            rows=rows,
            is_partial=logged.next is not None,
            delivered=sum(row.is_delivered for row in rows),
            replayable=sum(not row.obstacle for row in rows),
            undelivered=sum(not row.obstacle and not row.is_delivered for row in rows),
            replayed=replayed,
            skipped=skipped,
        )


@post("/events/{event:str}/replay")
async def replay_event(
    page: PageDependency, request: PageRequest, event: FromPath[str]
) -> Response[str]:
    """Replay one delivery of the event (`delivery`), all (`which=all`), or those not delivered.

    Those whose webhook is not active are skipped and counted.
    """
    organization = request.auth.organization
    found = await _find(page, organization, event)
    form = form_of(request)
    wanted, which = form.text("delivery"), form.text("which")
    replayed = skipped = 0
    for delivery in found.deliveries:
        chosen = delivery.id == wanted if wanted else which == ALL or delivery.status != DELIVERED
        if not chosen:
            continue
        try:
            await page.replays.replay_delivery(organization, delivery.id)
            replayed += 1
        except (Conflict, NotFound):
            skipped += 1
    page.audit("event replayed", request.auth, event_id=event, count=str(replayed))
    return redirect(f"/events/{event}?replayed={replayed}&skipped={skipped}")


@post("/events/{event:str}/skip")
async def skip_delivery(
    page: PageDependency, request: PageRequest, event: FromPath[str]
) -> Response[str]:
    """Skip a delivery of the event, or one of another event that it waits for."""
    organization = request.auth.organization
    await _find(page, organization, event)
    delivery = form_of(request).text("delivery")
    try:
        await page.replays.skip_delivery(organization, delivery)
    except Conflict as error:
        return await _page(page, request, event, refusal=error.detail)
    page.audit("delivery skipped", request.auth, event_id=event, delivery=delivery)
    return redirect(f"/events/{event}")


async def _find(page: PageContext, organization: str, event_id: str) -> StoredEvent:
    found = None
    if is_id("evt", event_id):
        found = await page.storage.event(organization, event_id)
    if found is None:
        raise NotFound(Text("There is no such event. It may have been removed because it was old."))
    return found


def _rows(
    event: StoredEvent, logged: list[LoggedAttempt], webhooks: dict[str, Webhook]
) -> list[DeliveryRow]:
    """A row for each delivery: first those that need attention, then in order of webhooks."""
    attempts: dict[str, list[tuple[LoggedAttempt, str]]] = {}
    for attempt in reversed(logged):
        attempts.setdefault(attempt.delivery_id, []).append((attempt, attempt_result(attempt)))
    rows = [
        DeliveryRow(
            delivery=delivery,
            webhook=webhooks.get(delivery.webhook_id),
            attempts=attempts.get(delivery.id, []),
        )
        for delivery in event.deliveries
    ]
    return sorted(rows, key=lambda row: row.is_delivered)


ROUTES = (show_event, replay_event, skip_delivery)
