"""Replays: one more attempt of a delivery, or of many, outside the retry schedule."""

import msgspec

from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.domain.errors import Invalid, NotFound
from winnerr_webhooks.management.field_checks import check_event
from winnerr_webhooks.management.ports import NodeSignals
from winnerr_webhooks.storage.port import Log
from winnerr_webhooks.storage.values import ReplayFilter

OUTCOMES = ("failed", "cancelled")


class ReplayRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries to replay; what is left out does not narrow."""

    webhook: str | None = None
    event: str | None = None
    outcome: str | None = None
    """One of OUTCOMES; None: both."""
    since: int | None = None
    """Acceptance, inclusive, ms."""
    until: int | None = None
    """Acceptance, exclusive, ms."""
    asked_at: int | None = None
    """As it was then, ms (see `ReplayFilter`): what it counts is also how far a replay is."""


class Replays:
    """Asks the storage for replays and tells the node that sends them."""

    def __init__(self, *, storage: Log, catalog: Catalog, signals: NodeSignals) -> None:
        self._storage = storage
        self._catalog = catalog
        self._signals = signals

    async def replay_attempt(self, organization: str, attempt_id: str) -> str:
        """Replay the delivery an attempt belongs to; the delivery's id.

        `NotFound`, or `Conflict` while its webhook is not active, saying what to do.
        """
        attempt = await self._storage.attempt(organization, attempt_id)
        if attempt is None:
            raise NotFound(f"There is no attempt {attempt_id} here.")
        return await self.replay_delivery(organization, attempt.delivery_id)

    async def replay_delivery(self, organization: str, delivery_id: str) -> str:
        """Replay one delivery; its id. Errors as `replay_attempt`."""
        self._signals.work_requested(await self._storage.replay(organization, delivery_id))
        return delivery_id

    async def replay_many(self, organization: str, wanted: ReplayRequest, *, dry_run: bool) -> int:
        """Replay every matching delivery of active webhooks, as a job; how many there are.

        `Invalid` at /event or /outcome.
        """
        if wanted.event is not None:
            check_event(self._catalog, wanted.event)
        if wanted.outcome is not None and wanted.outcome not in OUTCOMES:
            raise Invalid.field(
                "/outcome", "`outcome` is `failed` or `cancelled`; or leave it out."
            )
        count = await self._storage.replay_many(
            ReplayFilter(
                organization=organization,
                webhook=wanted.webhook,
                event=wanted.event,
                failed_only=wanted.outcome == "failed",
                cancelled_only=wanted.outcome == "cancelled",
                since=wanted.since,
                until=wanted.until,
                asked_at=wanted.asked_at,
            ),
            dry_run=dry_run,
        )
        if count and not dry_run:
            self._signals.work_requested()
        return count
