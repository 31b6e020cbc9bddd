"""Housekeeping: the database's clock, partitions, retention, figures, the probe."""

import asyncio
from contextlib import suppress
from typing import Final, TypeVar

import structlog

from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.ids import Jitter, id_floor
from winnerr_webhooks.storage.expiry import REMOVALS
from winnerr_webhooks.storage.postgres import partitions, postgres_retention
from winnerr_webhooks.storage.postgres.partitions import DAY_MS, ID_KINDS, Ranges
from winnerr_webhooks.storage.postgres.postgres_session import PostgresSession
from winnerr_webhooks.storage.postgres.postgres_verbs import READ_SECONDS, PostgresVerbs, Verb
from winnerr_webhooks.storage.values import Figures, age

T = TypeVar("T")

FEW_DAYS: Final = 2
"""With fewer days left that have a partition, somebody should look why none are made."""
MANY_STRAYS: Final = 10_000
"""So many rows outside of all days make each new partition slow to attach."""
PROBE_SECONDS: Final = 1.0
FIGURES_SHARE: Final = 20
"""Figures stay as they are for so many times what it took to count them."""
READINGS: Final = 3
CLOCKS_APART: Final = 30.0
"""Seconds between the clocks of a node and of the database that somebody should hear of."""
LOCK_TRIES_OF_HOUSEWORK: Final = 5
"""How often a lock that holds others up is asked for before it is left for later."""
HURRY_PAUSE: Final = 1.0
"""Seconds between that, on average, in which those held up go on."""
POSTPONED: Final = 60.0
"""Seconds until the next tries after that, at least."""
BETWEEN_SLICES: Final = 0.05
CATCH_UPS: Final = 10

_HOUSEWORK_SECONDS: Final = 60.0
_HOUSEWORK: Final = (
    "SET LOCAL statement_timeout = '20s';"
    f"SET LOCAL lock_timeout = {partitions.LOCK_MS};"
    # With the values known, only the partitions are opened that they lie in.
    "SET LOCAL plan_cache_mode = force_custom_plan;"
    "SET LOCAL max_parallel_workers_per_gather = 0;"
)
_CARRYING: Final = _HOUSEWORK + (
    # Progress is written beside what it tells of: lost together, it is only done again.
    "SET LOCAL synchronous_commit = off;"
)
_COUNTING: Final = (
    "SET LOCAL enable_seqscan = on;"  # all of a table, once, is what counting takes
    "SET LOCAL max_parallel_workers_per_gather = 0"
)

log = structlog.get_logger(__name__)


class HousekeepingVerbs(PostgresVerbs):
    """A part of `PostgresStorage`; see the port for what each verb promises."""

    def __init__(self) -> None:
        super().__init__()
        self._jitter = Jitter()
        self._ranges: dict[str, Ranges] = {}
        self._unsafe: tuple[str, ...] = ()
        self._is_off = False
        self._not_before = float("-inf")
        self._probe: asyncio.Future[None] | None = None
        self._probe_ends = 0.0
        self._counting: asyncio.Future[Figures] | None = None
        self._figures: Figures | None = None
        self._figures_end = 0.0

    # --- clock and partitions -----------------------------------------------------------------

    async def read_clock(self) -> None:
        """Read the database's clock, where it is time for another reading: the quickest of some."""
        if self._clock.is_due:
            took, *reading = min(await self._road.transact(self._readings))
            self._clock.read(reading[0], reading[1], reading[1] + took)
            self._compare_clocks()

    def _compare_clocks(self) -> None:
        """Warn once of a node whose clock tells another time than the database's."""
        ahead, was_off = self._clock.ahead_ms / 1000, self._is_off
        self._is_off = abs(ahead) > CLOCKS_APART
        if self._is_off and not was_off:
            log.warning("this machine's clock is not the database's", ahead_seconds=round(ahead, 1))

    async def _readings(self, db: PostgresSession) -> list[tuple[float, float, float]]:
        found = []
        for _ in range(READINGS):
            asked_at = self._clock.monotonic()
            database_ms = await db.fetch_value("database_now")
            found.append((self._clock.monotonic() - asked_at, database_ms, asked_at))
        return found

    async def make_partitions(self) -> None:
        """See to it that yesterday to some days ahead have partitions; cheap when they have.

        Where a lock cannot be had, that is left for the next time: until then, rows go into the
        default partitions.
        """
        now = self._clock.now_ms()
        ranges, self._unsafe = await self._aside.transact(_look)
        lacking = [
            table for table in ID_KINDS if partitions.missing(table, ranges[table].newest, now)
        ]
        for table in lacking:
            await self._make(table, now)
        if lacking:
            ranges, self._unsafe = await self._aside.transact(_look)
        self._ranges = ranges

    async def _make(self, table: str, now: int) -> None:
        async def make(db: PostgresSession) -> bool:
            await partitions.make(db, table, now)
            return True

        # Nodes that start together take turns at it.
        settings = f"{_HOUSEWORK}SET LOCAL lock_timeout = '5s';"
        if not await self._with_short_locks(make, settings):
            log.warning("partitions could not be made: others hold the table locked", table=table)

    async def _with_short_locks(self, work: Verb[T], settings: str) -> T | None:
        """Run what waits for locks only a moment, some times; None when they were never free."""
        for tries_left in reversed(range(LOCK_TRIES_OF_HOUSEWORK)):
            try:
                return await self._aside.transact(
                    work, seconds=_HOUSEWORK_SECONDS, settings=settings
                )
            except Unavailable as error:
                if not partitions.is_lock_failure(error):
                    raise
            if tries_left:
                await asyncio.sleep(self._jitter.around(HURRY_PAUSE, 0.5))
        self._not_before = self._clock.monotonic() + POSTPONED
        return None

    def warnings(self) -> tuple[str, ...]:
        """What somebody should see to although all works still."""
        now = self._clock.now_ms()
        told = []
        if any(
            found.newest < id_floor(ID_KINDS[table], now + FEW_DAYS * DAY_MS)
            for table, found in self._ranges.items()
        ):
            told.append(
                f"Fewer than {FEW_DAYS} days ahead have partitions: look in pg_stat_activity for "
                "who keeps the tables locked; the log of this service says when making one failed."
            )
        if any(found.strays > MANY_STRAYS for found in self._ranges.values()):
            told.append(
                "Many rows are of days that no partition was made for: see whether the clock of "
                "each node is right."
            )
        told += [
            f"PostgreSQL runs with {name} off: a crash of its machine can lose what was accepted."
            for name in self._unsafe
        ]
        return tuple(told)

    # --- retention ----------------------------------------------------------------------------

    async def forget(self, retention_days: int) -> int:
        """One slice of retention; attempts, deliveries and events go by the day.

        How many rows a day had is what PostgreSQL's statistics say.
        """
        await self.read_clock()
        now = self._clock.now_ms()
        gone = await self._aside.transact(lambda db: postgres_retention.remove_expired(db, now))
        if self._clock.monotonic() >= self._not_before:
            await self.make_partitions()
        if self._clock.monotonic() >= self._not_before:
            gone += await self._remove_days(retention_days, now)
        return gone + await self._remove_webhooks(now)

    async def _remove_webhooks(self, now: int) -> int:
        """Remove deleted webhooks that nothing needs, in slices; how many."""
        removed = 0
        while True:
            slice_ = await self._aside.transact(
                lambda db: postgres_retention.remove_webhooks(db, now),
                seconds=_HOUSEWORK_SECONDS,
                settings=_HOUSEWORK,
            )
            removed += slice_.removed
            if slice_.checked < REMOVALS:
                return removed
            await asyncio.sleep(BETWEEN_SLICES)

    async def _remove_days(self, retention_days: int, now: int) -> int:
        """Let go of all days that are old, slice by slice; about how many rows went."""
        gone = 0
        while True:
            for _ in range(CATCH_UPS):
                if not await self._aside.transact(
                    postgres_retention.catch_up, seconds=_HOUSEWORK_SECONDS, settings=_CARRYING
                ):
                    break
            slice_ = await self._with_short_locks(
                lambda db: postgres_retention.remove_days(db, retention_days, now), _CARRYING
            )
            if slice_ is None:
                log.warning("old days stay for now: others hold the tables locked")
                return gone
            gone += slice_.gone
            if not slice_.more:
                return gone
            await asyncio.sleep(BETWEEN_SLICES)

    # --- figures and the probe ----------------------------------------------------------------

    async def figures(self) -> Figures:
        """For the metrics page. They count what waits; the longer that takes, the less often."""
        if self._figures is not None and self._clock.monotonic() < self._figures_end:
            return self._figures
        if self._counting is None or self._counting.done():
            self._counting = asyncio.ensure_future(self._count())
        return await asyncio.shield(self._counting)

    async def _count(self) -> Figures:
        started = self._clock.monotonic()
        pending, oldest, lanes, jobs, size = await self._aside.transact(
            _counted, seconds=READ_SECONDS, settings="SET LOCAL statement_timeout = '9s';"
        )
        ended = self._clock.monotonic()
        self._figures_end = ended + (ended - started) * FIGURES_SHARE
        self._figures = Figures(
            pending=pending,
            oldest_pending_age=age(oldest, self._clock),
            lanes=lanes,
            jobs=jobs,
            bytes=size,
        )
        return self._figures

    async def check(self) -> None:
        """Whether a write would work now: one is tried, at most once a second."""
        now = self._clock.monotonic()
        if self._probe is None or now >= self._probe_ends:
            self._probe_ends = now + PROBE_SECONDS
            self._probe = asyncio.ensure_future(self._try_to_write())
        await asyncio.shield(self._probe)

    async def _try_to_write(self) -> None:
        now = self._clock.now_ms()
        # On the road's connections: they are what `accept` needs.
        await self._road.alone(lambda db: db.execute("probe", now=now))
        with suppress(Unavailable):  # the probe succeeded, and that is what was asked
            await self.read_clock()


async def _look(db: PostgresSession) -> tuple[dict[str, Ranges], tuple[str, ...]]:
    unsafe = tuple(row[0] for row in await db.fetch("unsafe_settings"))
    return await partitions.find_ranges(db), unsafe


async def _counted(db: PostgresSession) -> tuple[int, int | None, int, int, int]:
    await db.script(_COUNTING)
    row = await db.fetch_row("figures")
    return row[0], row[1], row[2], row[3], row[4]
