"""The verbs of looking back."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from winnerr_webhooks.domain.attempt import LoggedAttempt
from winnerr_webhooks.storage import values
from winnerr_webhooks.storage.postgres import search
from winnerr_webhooks.storage.postgres.database import Session
from winnerr_webhooks.storage.postgres.verbs import Verbs

T = TypeVar("T")


class LogVerbs(Verbs):
    """What was sent, and how it went; see the port for what each verb promises."""

    async def log(self, query: values.LogFilter) -> values.LogPage:
        """Attempts by filter."""
        return await self._looked(query, lambda db: search.log(db, query, self._clock))

    async def attempt(self, organization: str, attempt_id: str) -> LoggedAttempt | None:
        """One attempt, whole."""
        return await self._read_for(
            organization, lambda db: search.attempt(db, organization, attempt_id)
        )

    async def deliveries(self, query: values.DeliveryFilter) -> values.DeliveryPage:
        """Deliveries by filter."""
        return await self._looked(query, lambda db: search.deliveries(db, query, self._clock))

    async def _looked(
        self,
        query: values.LogFilter | values.DeliveryFilter,
        verb: Callable[[Session], Awaitable[T]],
    ) -> T:
        """A page of the log: what has to be searched for has places of its own."""
        read = self._search if query.is_search else self._read_for
        return await read(query.organization, verb)

    async def delivery(self, organization: str, delivery_id: str) -> values.Delivery | None:
        """One delivery, whole."""
        return await self._read_for(
            organization, lambda db: search.delivery(db, organization, delivery_id)
        )

    async def event(self, organization: str, event_id: str) -> values.StoredEvent | None:
        """One event with its deliveries."""
        return await self._read_for(
            organization, lambda db: search.event(db, organization, event_id)
        )

    async def health(self, organization: str, since: int) -> list[values.HealthBucket]:
        """The rolled-up figures of an organization."""
        rows = await self._read_for(
            organization, lambda db: db.rows("get_health", organization, since)
        )
        return [values.HealthBucket(**row) for row in rows]
