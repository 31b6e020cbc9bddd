"""The verbs of the log: what was sent, and how it went."""

from collections.abc import Sequence

from winnerr_webhooks.domain.attempt import LoggedAttempt
from winnerr_webhooks.storage import log_queries, traffic_queries
from winnerr_webhooks.storage.traffic_port import Traffic, TrafficQuery
from winnerr_webhooks.storage.values import (
    Delivery,
    DeliveryFilter,
    DeliveryPage,
    HealthBucket,
    LogFilter,
    LogPage,
    StoredEvent,
)
from winnerr_webhooks.storage.verb_base import VerbBase


class LogVerbs(VerbBase):
    """`storage.port.Log`; see there for what each verb promises.

    Reads that may examine many rows have slots of their own (`is_search`).
    """

    async def log(self, query: LogFilter) -> LogPage:
        """Return attempts by filter."""
        read = self._search if query.is_search else self._read_for
        return await read(query.organization, lambda db: log_queries.log(db, query, self._clock))

    async def attempt(self, organization: str, attempt_id: str) -> LoggedAttempt | None:
        """Return one attempt, whole."""
        return await self._read_for(
            organization, lambda db: log_queries.attempt(db, organization, attempt_id)
        )

    async def deliveries(self, query: DeliveryFilter) -> DeliveryPage:
        """Return deliveries by filter."""
        read = self._search if query.is_search else self._read_for
        return await read(
            query.organization, lambda db: log_queries.deliveries(db, query, self._clock)
        )

    async def delivery(self, organization: str, delivery_id: str) -> Delivery | None:
        """Return one delivery, whole."""
        return await self._read_for(
            organization, lambda db: log_queries.delivery(db, organization, delivery_id)
        )

    async def event(self, organization: str, event_id: str) -> StoredEvent | None:
        """Return one event with its deliveries."""
        return await self._read_for(
            organization, lambda db: log_queries.event(db, organization, event_id)
        )

    async def recent_events(
        self, organization: str, names: Sequence[str] | None, last: int
    ) -> list[tuple[str, bytes]]:
        """Return id and body of an organization's last events."""
        return await self._scan(
            organization, lambda db: log_queries.recent_events(db, organization, names, last)
        )

    async def health(self, organization: str, since: int) -> list[HealthBucket]:
        """Return the health figures of an organization's webhooks."""
        return await self._read_for(
            organization, lambda db: log_queries.health(db, organization, since)
        )

    async def traffic(self, query: TrafficQuery) -> Traffic:
        """Return the traffic of a webhook."""
        return await self._read_for(
            query.organization, lambda db: traffic_queries.traffic(db, query)
        )
