"""The verbs of looking back."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from winnerr_webhooks.domain.attempt import LoggedAttempt
from winnerr_webhooks.storage import values
from winnerr_webhooks.storage.sqlite import search
from winnerr_webhooks.storage.sqlite.connection import Connection
from winnerr_webhooks.storage.sqlite.verbs import Verbs

T = TypeVar("T")

_BUCKETS = msgspec.json.Decoder(list[tuple[str, int, int, int, int, int]])


class LogVerbs(Verbs):
    """A part of `SqliteStorage`; see the port for what each verb promises."""

    async def log(self, query: values.LogFilter) -> values.LogPage:
        """Attempts by filter."""
        return await self._looked(query, lambda db: search.log(db, query, self._clock.monotonic))

    async def attempt(self, organization: str, attempt_id: str) -> LoggedAttempt | None:
        """One attempt, whole."""

        def verb(db: Connection) -> LoggedAttempt | None:
            row = db.row("one_attempt", (organization, attempt_id))
            return None if row is None else search.attempts(db, [row[0]], whole=True)[0]

        return await self._read_for(organization, verb)

    async def deliveries(self, query: values.DeliveryFilter) -> values.DeliveryPage:
        """Deliveries by filter."""
        return await self._looked(
            query, lambda db: search.deliveries(db, query, self._clock.monotonic)
        )

    async def _looked(
        self, query: values.LogFilter | values.DeliveryFilter, verb: Callable[[Connection], T]
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
        asked = {"organization": organization, "since": since}
        found = await self._read_for(
            organization, lambda db: db.json("get_health", asked, _BUCKETS)
        )
        return [
            values.HealthBucket(
                webhook_id=webhook_id,
                starts_at=starts_at,
                duration_class=duration_class,
                succeeded=succeeded,
                failed=failed,
                exhausted=exhausted,
            )
            for webhook_id, starts_at, duration_class, succeeded, failed, exhausted in found
        ]
