"""Replays one delivery, or many: each gets one more attempt, outside the retry schedule."""

import msgspec

from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.domain.errors import Invalid, NotFound
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.management.field_checks import check_logged_event
from winnerr_webhooks.management.ports import NodeSignals
from winnerr_webhooks.storage.port import Log
from winnerr_webhooks.storage.values import ReplayFilter, ReplayProgress

OUTCOMES = ("failed", "cancelled")


class ReplayRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries to replay; a field that is None does not filter."""

    webhook: str | None = None
    event: str | None = None
    outcome: str | None = None
    """One of OUTCOMES, or None for both."""
    since: int | None = None
    """Accepted at or after this time (wall-clock ms)."""
    until: int | None = None
    """Accepted before this time (wall-clock ms)."""
    asked_at: int | None = None
    """Match deliveries in the state they had at this time (ms, see `ReplayFilter`). A count with it
    shows how far a running replay is."""


class Replays:
    """Asks the storage for replays and tells the node that sends them."""

    def __init__(self, *, storage: Log, catalog: Catalog, signals: NodeSignals) -> None:
        self._storage = storage
        self._catalog = catalog
        self._signals = signals

    async def replay_attempt(self, organization: str, attempt_id: str) -> str:
        """Replay the delivery that an attempt belongs to, and return the delivery's id.

        Raises `NotFound`, and `Conflict` if its webhook is not active.
        """
        attempt = await self._storage.attempt(organization, attempt_id)
        if attempt is None:
            raise NotFound(Text("There is no attempt {id} here.", id=attempt_id))
        return await self.replay_delivery(organization, attempt.delivery_id)

    async def replay_delivery(self, organization: str, delivery_id: str) -> str:
        """Replay a delivery and return its id. Raises the same errors as `replay_attempt`."""
        self._signals.work_requested(await self._storage.replay(organization, delivery_id))
        return delivery_id

    async def skip_delivery(self, organization: str, delivery_id: str) -> None:
        """Cancel a delivery that waits, so that those behind it in its order can go.

        Raises `NotFound`, and `Conflict` if the delivery has ended or is being attempted.
        """
        self._signals.work_requested(await self._storage.skip(organization, delivery_id))

    async def replay_many(self, organization: str, wanted: ReplayRequest, *, dry_run: bool) -> int:
        """Replay all matching deliveries of active webhooks in the background; return their number.

        With `dry_run`, only count them. Raises `Invalid` at /event or /outcome.
        """
        if wanted.event is not None:
            check_logged_event(self._catalog, wanted.event)
        if wanted.outcome is not None and wanted.outcome not in OUTCOMES:
            raise Invalid.field(
                "/outcome", Text("`outcome` is `failed` or `cancelled`; or leave it out.")
            )
        count = await self._storage.replay_many(_filter(organization, wanted), dry_run=dry_run)
        if count and not dry_run:
            self._signals.work_requested()
        return count

    async def progress(self, organization: str, wanted: ReplayRequest) -> ReplayProgress:
        """Return what became of the replay that was started with this request."""
        return await self._storage.replay_progress(_filter(organization, wanted))


def _filter(organization: str, wanted: ReplayRequest) -> ReplayFilter:
    return ReplayFilter(
        organization=organization,
        webhook=wanted.webhook,
        event=wanted.event,
        failed_only=wanted.outcome == "failed",
        cancelled_only=wanted.outcome == "cancelled",
        since=wanted.since,
        until=wanted.until,
        asked_at=wanted.asked_at,
    )
