"""Housekeeping on PostgreSQL: the database's clock, partitions, retention, figures, the probe."""

import asyncio
from contextlib import suppress
from typing import Final, TypeVar

import structlog

from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.ids import Jitter, id_floor
from winnerr_webhooks.storage.housekeeping_verbs import BETWEEN_SLICES, HousekeepingVerbs
from winnerr_webhooks.storage.outbox import Outbox
from winnerr_webhooks.storage.postgres import partitions, postgres_retention
from winnerr_webhooks.storage.postgres.partitions import DAY_MS, ID_KINDS, Ranges
from winnerr_webhooks.storage.postgres.postgres_session import PostgresSession
from winnerr_webhooks.storage.postgres.postgres_verbs import READ_SECONDS, PostgresVerbs
from winnerr_webhooks.storage.postgres.transactions import Work
from winnerr_webhooks.storage.retention import Removals

T = TypeVar("T")

FEW_DAYS: Final = 2
"""With partitions for fewer days ahead, an operator should find out why none are made."""
MANY_STRAYS: Final = 10_000
"""With more rows outside of all partitions, attaching a new one is slow."""
READINGS: Final = 3
"""How often the clock is asked for one reading; the quickest answer counts."""
CLOCKS_APART: Final = 30.0
"""Seconds between the clocks of a node and of the database that are worth a warning."""
LOCK_TRIES: Final = 5
"""How often work asks for a lock that makes others wait, before it is postponed."""
LOCK_PAUSE: Final = 1.0
"""Seconds between two of these tries, on average: those who waited go on."""
POSTPONED: Final = 60.0
"""Seconds until postponed work is tried again, at least."""
CATCH_UPS: Final = 10
"""How often late writes are carried before the tables are locked (`postgres_retention`)."""

_HOUSEWORK_SECONDS: Final = 60.0
_HOUSEWORK: Final = (
    "SET LOCAL statement_timeout = '20s';"
    f"SET LOCAL lock_timeout = {partitions.LOCK_MS};"
    # With known values, a plan opens only the partitions that they lie in.
    "SET LOCAL plan_cache_mode = force_custom_plan;"
    "SET LOCAL max_parallel_workers_per_gather = 0;"
)
_CARRYING: Final = _HOUSEWORK + (
    # Progress is in the same transaction as the work: what a crash loses is done again.
    "SET LOCAL synchronous_commit = off;"
)
_COUNTING: Final = (
    "SET LOCAL enable_seqscan = on;"  # counting reads all of a table, once
    "SET LOCAL max_parallel_workers_per_gather = 0"
)

log = structlog.get_logger(__name__)


class PostgresHousekeeping(PostgresVerbs, HousekeepingVerbs):
    """`storage.port.Housekeeping`; see there for what each verb promises."""

    outbox: Outbox

    def __init__(self) -> None:
        super().__init__()
        self._jitter = Jitter()
        self._ranges: dict[str, Ranges] = {}
        self._unsafe: tuple[str, ...] = ()
        self._is_off = False
        self._not_before = float("-inf")

    # --- clock and partitions -----------------------------------------------------------------

    async def read_clock(self) -> None:
        """Read the database's clock, if it is time for another reading."""
        if self._clock.is_due:
            took, *reading = min(await self._road.transact(self._readings))
            self._clock.read(reading[0], reading[1], reading[1] + took)
            self._compare_clocks()

    def _compare_clocks(self) -> None:
        """Warn once when this machine's clock is far from the database's."""
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
        """Make sure that yesterday to some days ahead have partitions; cheap when they have.

        If a table stays locked, its partitions are made next time. Until then rows go into the
        default partition.
        """
        now = self._clock.now_ms()
        ranges, self._unsafe = await self._aside.transact(_read_partitions)
        lacking = [
            table for table in ID_KINDS if partitions.missing(table, ranges[table].newest, now)
        ]
        for table in lacking:
            await self._make(table, now)
        if lacking:
            ranges, self._unsafe = await self._aside.transact(_read_partitions)
        self._ranges = ranges

    async def _make(self, table: str, now: int) -> None:
        async def make(db: PostgresSession) -> bool:
            await partitions.make(db, table, now)
            return True

        # Nodes that start together do this one after the other.
        settings = f"{_HOUSEWORK}SET LOCAL lock_timeout = '5s';"
        if not await self._with_short_locks(make, settings):
            log.warning("partitions could not be made: others hold the table locked", table=table)

    async def _with_short_locks(self, work: Work[T], settings: str) -> T | None:
        """Try work that waits for locks only briefly, several times.

        Return its result, or None if the locks were never free.
        """
        for tries_left in reversed(range(LOCK_TRIES)):
            try:
                return await self._aside.transact(
                    work, seconds=_HOUSEWORK_SECONDS, settings=settings
                )
            except Unavailable as error:
                if not partitions.is_lock_failure(error):
                    raise
            if tries_left:
                await asyncio.sleep(self._jitter.around(LOCK_PAUSE, 0.5))
        self._not_before = self._clock.monotonic() + POSTPONED
        return None

    def warnings(self) -> tuple[str, ...]:
        """Return what needs attention although everything works."""
        now = self._clock.now_ms()
        found_warnings = []
        if any(
            found.newest < id_floor(ID_KINDS[table], now + FEW_DAYS * DAY_MS)
            for table, found in self._ranges.items()
        ):
            found_warnings.append(
                f"Fewer than {FEW_DAYS} days ahead have partitions: look in pg_stat_activity for "
                "what keeps the tables locked; the log of this service says when making one failed."
            )
        if any(found.strays > MANY_STRAYS for found in self._ranges.values()):
            found_warnings.append(
                "Many rows are of days without a partition: check the clock of each node."
            )
        found_warnings += [
            f"PostgreSQL runs with {name} off: a crash of its machine can lose accepted events."
            for name in self._unsafe
        ]
        return tuple(found_warnings)

    # --- retention ----------------------------------------------------------------------------

    async def run_retention_slice(self, retention_days: int) -> int:
        """Run one slice of retention; attempts, deliveries and events go by the day.

        How many rows a day had comes from PostgreSQL's statistics.
        """
        await self.read_clock()
        now = self._clock.now_ms()
        gone = await self._aside.transact(
            lambda db: postgres_retention.remove_expired(db, now, retention_days)
        )
        gone += await self.outbox.remove_refused(retention_days)
        if self._clock.monotonic() >= self._not_before:
            await self.make_partitions()
        if self._clock.monotonic() >= self._not_before:
            gone += await self._remove_days(retention_days, now)
        return gone + await self._remove_deleted_webhooks()

    async def _remove_webhooks_slice(self) -> Removals:
        return await self._aside.transact(
            lambda db: postgres_retention.remove_webhooks(db, self._clock.now_ms()),
            seconds=_HOUSEWORK_SECONDS,
            settings=_HOUSEWORK,
        )

    async def _remove_days(self, retention_days: int, now: int) -> int:
        """Remove all days that are old, slice by slice; about how many rows went."""
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

    async def _count_rows(self) -> tuple[int, int | None, int, int, int]:
        return await self._aside.transact(
            _count_rows, seconds=READ_SECONDS, settings="SET LOCAL statement_timeout = '9s';"
        )

    async def try_to_write(self) -> None:
        """Write one unimportant row; `Unavailable` says why that is not possible."""
        now = self._clock.now_ms()
        # On the road's connections, because `accept` needs these.
        await self._road.autocommit(lambda db: db.execute("probe", now=now))
        with suppress(Unavailable):  # the row was written, and that was the question
            await self.read_clock()


async def _read_partitions(db: PostgresSession) -> tuple[dict[str, Ranges], tuple[str, ...]]:
    unsafe = tuple(row[0] for row in await db.fetch("unsafe_settings"))
    return await partitions.find_ranges(db), unsafe


async def _count_rows(db: PostgresSession) -> tuple[int, int | None, int, int, int]:
    await db.script(_COUNTING)
    row = await db.fetch_row("figures")
    return row[0], row[1], row[2], row[3], row[4]
