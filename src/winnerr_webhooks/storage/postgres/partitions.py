"""Day partitions: which ones exist, which are missing, and how they are made.

Ids begin with their millisecond, so a day is a range of ids. Partitions follow one another without
a gap: first `…_old`, everything before, then the days, until some days from now. Ids without a
partition go into `…_default`, which stays empty unless the clock of a node is wrong.

PostgreSQL's manual, section 5.12.2.2: a table that is made separately and then attached takes no
lock on the partitioned table that readers or writers would notice. Only the default partition is
locked exclusively meanwhile, so that lock is waited for only briefly.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final, NamedTuple

import asyncpg

from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.ids import id_floor
from winnerr_webhooks.storage.postgres.postgres_session import PostgresSession

DAY_MS: Final = 86_400_000
DAYS_AHEAD: Final = 7
PAST_DAYS: Final = 40
"""When a database is filled from another one, this many past days have a partition each."""
WIDE_DAYS: Final = 30
"""Before those, this many days share one partition."""
LOCK_MS: Final = 100
"""How long a lock that makes others wait may be waited for, because they wait as long."""

ID_KINDS: Final = {"attempt": "att", "delivery": "dlv", "event": "evt"}
"""The partitioned tables, and the kind of their ids. Days are removed in this order: nothing that
stays may need a row that has gone."""
_LOCK: Final = 0x57574B32
"""The advisory lock that lets one node at a time make partitions: `WWK2`."""
_BOUNDS: Final = re.compile(r"FROM \((?:'(\w+)'|MINVALUE)\) TO \('(\w+)'\)")


class Partition(NamedTuple):
    """A range of ids: from `low` ("": the lowest) to before `high`."""

    name: str
    low: str
    high: str


class Ranges(NamedTuple):
    """The partitions of one table, oldest first, and the rows in none of them."""

    partitions: tuple[Partition, ...] = ()
    strays: int = 0
    """About how many rows the default partition has."""

    @property
    def newest(self) -> str:
        """Where the last partition ends; "" without any."""
        return self.partitions[-1].high if self.partitions else ""


def midnight(ms: int) -> int:
    """Return the start of a day (UTC)."""
    return ms - ms % DAY_MS


def missing(table: str, newest: str, now: int) -> list[Partition]:
    """Return the partitions after `newest` that are missing for yesterday to some days ahead.

    Days in which no node ran share one.
    """
    kind = ID_KINDS[table]
    first = midnight(now) - DAY_MS
    days = [first + number * DAY_MS for number in range(DAYS_AHEAD + 2)]
    made = [
        Partition(f"{table}_p{_date(day)}", id_floor(kind, day), id_floor(kind, day + DAY_MS))
        for day in days
        if id_floor(kind, day) >= newest
    ]
    if made and newest == "":
        made.insert(0, Partition(f"{table}_old", "", made[0].low))
    elif made and newest < made[0].low:
        made.insert(0, Partition(f"{table}_before{_date(first)}", newest, made[0].low))
    return made


def history_partitions(table: str, oldest: int, now: int) -> list[Partition]:
    """Return partitions for history from the instant `oldest` (ms) on, and for days ahead."""
    kind = ID_KINDS[table]
    today = midnight(now)
    first = max(min(midnight(oldest), today - DAY_MS), today - PAST_DAYS * DAY_MS)
    wide = list(range(first, midnight(oldest), -WIDE_DAYS * DAY_MS))
    bounds = [*reversed(wide), *range(first, today + (DAYS_AHEAD + 1) * DAY_MS + 1, DAY_MS)]
    bounds = sorted(set(bounds))
    made = [Partition(f"{table}_old", "", id_floor(kind, bounds[0]))]
    for start, end in pairwise(bounds):
        one_day = end - start == DAY_MS
        name = f"{table}_p{_date(start)}" if one_day else f"{table}_before{_date(end)}"
        made.append(Partition(name, id_floor(kind, start), id_floor(kind, end)))
    return made


def _date(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y%m%d")


async def find_ranges(db: PostgresSession) -> dict[str, Ranges]:
    """Return the partitions of every table."""
    found: dict[str, list[Partition]] = {table: [] for table in ID_KINDS}
    strays = dict.fromkeys(ID_KINDS, 0)
    for table, name, bounds, rows in await db.fetch("partitions", list(ID_KINDS)):
        if range_ := _BOUNDS.search(bounds):
            found[table].append(Partition(name, range_[1] or "", range_[2]))
        else:
            strays[table] = rows
    return {
        table: Ranges(tuple(sorted(found[table], key=lambda one: one.low)), strays[table])
        for table in ID_KINDS
    }


async def make(db: PostgresSession, table: str, now: int) -> None:
    """Make the missing partitions of one table; other nodes may be doing the same."""
    await db.fetch_value("lock_for_transaction", _LOCK)
    ranges = (await find_ranges(db))[table]
    await add(db, table, missing(table, ranges.newest, now))


async def add(db: PostgresSession, table: str, partitions: Sequence[Partition]) -> None:
    """Make partitions, and move their rows from the default partition."""
    if not partitions:
        return
    for one in partitions:
        await db.script(f"CREATE TABLE {one.name} (LIKE {table} INCLUDING ALL)")
    await db.script(
        f"SET LOCAL lock_timeout = {LOCK_MS};"
        f"LOCK TABLE ONLY {table} IN SHARE UPDATE EXCLUSIVE MODE;"
        f"LOCK TABLE ONLY {table}_default IN ACCESS EXCLUSIVE MODE"
    )
    await db.script(
        ";".join(f"{_move_sql(table, one)};{attach_sql(table, one)}" for one in partitions)
    )


def _move_sql(table: str, to: Partition) -> str:
    # Names and bounds come from this module: letters, digits, underscores.
    return (
        f"WITH moved AS ("  # noqa: S608
        f"DELETE FROM {table}_default WHERE id >= '{to.low}' AND id < '{to.high}' RETURNING *) "
        f"INSERT INTO {to.name} SELECT * FROM moved"
    )


def attach_sql(table: str, one: Partition) -> str:
    """Return the statement that makes a table a partition."""
    low = f"'{one.low}'" if one.low else "MINVALUE"
    return (
        f"ALTER TABLE {table} ATTACH PARTITION {one.name} FOR VALUES FROM ({low}) TO ('{one.high}')"
    )


def is_lock_failure(error: Unavailable) -> bool:
    """Return whether it failed only because others held the locks: then it is worth another try."""
    return isinstance(
        error.__cause__,
        asyncpg.LockNotAvailableError | asyncpg.QueryCanceledError | asyncpg.DeadlockDetectedError,
    )
