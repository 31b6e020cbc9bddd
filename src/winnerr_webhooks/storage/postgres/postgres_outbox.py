"""The outbox on PostgreSQL; see `storage.outbox` for what each verb promises."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from winnerr_webhooks.domain.errors import TimedOut
from winnerr_webhooks.storage.housekeeping_verbs import FIGURES_FACTOR
from winnerr_webhooks.storage.outbox import EmittedEvent, OutboxEntry, OutboxFigures
from winnerr_webhooks.storage.postgres.database_clock import DatabaseClock
from winnerr_webhooks.storage.postgres.postgres_session import PostgresSession, columns
from winnerr_webhooks.storage.postgres.transactions import Database

ORGANIZATIONS: Final = 100
OF_EACH: Final = 100
EVENTS: Final = 1_000
"""What is read at once, at most: organizations, events of each of them, events in all."""
MAX_BYTES: Final = 8 * 1024 * 1024
"""Bytes of data that are read at once, at most."""
TURN_MS: Final = 3_000
"""How long a turn lasts that is not taken again: longer than storing a batch takes."""

_SECONDS: Final = 10.0
_READING: Final = (
    "SET LOCAL statement_timeout = '9s';"
    # What a crash loses of these transactions is done again: a turn is taken, an event is read.
    "SET LOCAL synchronous_commit = off;"
)
_COUNTING: Final = "SET LOCAL statement_timeout = '9s'; SET LOCAL enable_seqscan = on;"
_LISTING: Final = (
    "SET LOCAL statement_timeout = '55s'; SET LOCAL plan_cache_mode = force_custom_plan;"
)
_LISTING_SECONDS: Final = 60.0


class PostgresOutbox:
    """`storage.outbox.Outbox` over the connections that events do not wait for."""

    def __init__(self, database: Database, clock: DatabaseClock) -> None:
        self._database = database
        self._clock = clock
        self._turn = -1
        """When this node took its last turn, in ms of the database's clock."""
        self._figures: asyncio.Future[OutboxFigures] | None = None
        self._figures_end = 0.0

    async def next_events(
        self, after: str, without: Sequence[str], *, max_bytes: int
    ) -> list[EmittedEvent]:
        """Return events that wait."""
        with suppress(TimedOut):  # many removed rows are in the way: the transaction has more time
            if not await self._database.autocommit(lambda db: db.fetch_value("outbox_waits")):
                return []
        now = self._clock.now_ms()

        async def read(db: PostgresSession, first: str) -> list[Any]:
            limits = (max_bytes, MAX_BYTES, ORGANIZATIONS, OF_EACH, EVENTS)
            return await db.fetch("waiting_events", first, list(without), *limits)

        async def work(db: PostgresSession) -> list[Any] | None:
            turn = (now, now - TURN_MS, self._turn)
            if not await db.execute("take_outbox_turn", *turn):
                return None
            return await read(db, after) or (await read(db, "") if after else [])

        rows = await self._database.transact(work, seconds=_SECONDS, settings=_READING)
        if rows is None:
            return []
        self._turn = now
        return [_emitted(row) for row in rows]

    async def settle(self, moved: Sequence[int], refused: Mapping[int, str]) -> None:
        """Remove events that were accepted, and keep refused ones."""

        async def work(db: PostgresSession) -> None:
            await db.execute("remove_moved", sorted(moved))
            if refused:
                await db.execute("keep_refused", *columns(sorted(refused.items())))

        await self._database.transact(work, seconds=_SECONDS, settings=_READING)

    async def entries(
        self, *, refused: bool, organization: str | None, limit: int
    ) -> list[OutboxEntry]:
        """Return the oldest events."""
        rows = await self._database.transact(
            lambda db: db.fetch(
                "outbox_entries", refused=refused, organization=organization, limit=limit
            ),
            seconds=_LISTING_SECONDS,
            settings=_LISTING,
        )
        names = OutboxEntry.__struct_fields__
        return [OutboxEntry(**dict(zip(names, row, strict=True))) for row in rows]

    async def retry(self, client_id: str | None, organization: str | None) -> int:
        """Let refused events wait again."""
        return await self._database.transact(
            lambda db: db.execute("retry_refused", client_id=client_id, organization=organization),
            seconds=_LISTING_SECONDS,
            settings=_LISTING,
        )

    async def figures(self) -> OutboxFigures:
        """Return the figures that metrics show."""
        if self._figures is None or (
            self._figures.done() and self._clock.monotonic() >= self._figures_end
        ):
            self._figures = asyncio.ensure_future(self._count())
        return await asyncio.shield(self._figures)

    async def _count(self) -> OutboxFigures:
        began = self._clock.monotonic()
        waiting, oldest_age, refused = await self._database.transact(
            lambda db: db.fetch_row("outbox_figures"), seconds=_SECONDS, settings=_COUNTING
        )
        ended = self._clock.monotonic()
        self._figures_end = ended + (ended - began) * FIGURES_FACTOR
        return OutboxFigures(waiting=waiting, oldest_age=max(oldest_age, 0.0), refused=refused)

    async def remove_refused(self, retention_days: int) -> int:
        """Remove events that were refused long ago."""
        return await self._database.transact(
            lambda db: db.execute("remove_refused", retention_days), settings=_READING
        )


def _emitted(row: Sequence[Any]) -> EmittedEvent:
    return EmittedEvent(**dict(zip(EmittedEvent.__struct_fields__, row, strict=True)))
