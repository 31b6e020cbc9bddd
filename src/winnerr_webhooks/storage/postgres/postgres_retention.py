"""Retention on PostgreSQL: days are dropped whole, after the rows to keep are copied out of them.

The rows to keep are the newest attempts of each organization with their deliveries and events, and
everything pending. They are carried: copied into new tables, `…_next`, slice by slice, while all
other work goes on. Then, table by table, one short transaction drops `…_old` and the days, and
makes the carried rows the new `…_old`.

Nothing that happens meanwhile is lost. A trigger notes what is written to the leaving days, and the
last transaction, which has the table to itself, carries that again. A replay that is requested
meanwhile can need a row of the leaving days, and reads its delivery first. So the last transaction
looks for such replays when no other transaction can read the table any more. The table `carry` has
the progress: any node can continue, and only one at a time works on it. See docs/adr/0006.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from winnerr_webhooks.ids import id_floor
from winnerr_webhooks.storage import retention
from winnerr_webhooks.storage.delivery_rows import event_of
from winnerr_webhooks.storage.postgres.partitions import (
    DAY_MS,
    ID_KINDS,
    LOCK_MS,
    Partition,
    Ranges,
    attach_sql,
    find_ranges,
    midnight,
)
from winnerr_webhooks.storage.postgres.postgres_session import PostgresSession, Row
from winnerr_webhooks.storage.retention import KEPT_ATTEMPTS, SLICE, Removals

MOST_DAYS: Final = 8
"""How many days leave at once: the last transaction takes longer with more of them."""
_ORGANIZATIONS: Final = 200
_PENDING_SLICE: Final = 5_000

ATTEMPTS, STAYING, PENDING, DROPPING = 1, 2, 3, 4
"""The steps: three that carry, then one for each table, in the order of `ID_KINDS`."""
_DROP_NEXT: Final = {
    "attempt": "drop_next_attempts",
    "delivery": "drop_next_deliveries",
    "event": "drop_next_events",
}


class Slice(NamedTuple):
    """The result of one slice."""

    gone: int = 0
    """About how many rows went with the days that were dropped."""
    more: bool = False
    """Whether there may be more to do."""


class _Carry(NamedTuple):
    """The row of `carry`."""

    until: str
    step: int
    cursor: str
    gone: int

    def floor(self, table: str) -> str:
        """Return the first id that stays in its day."""
        return f"{ID_KINDS[table]}_{self.until}{'0' * 16}"


_IDLE: Final = _Carry("", 0, "", 0)


# --- what both databases share --------------------------------------------------------------------


async def remove_expired(db: PostgresSession, now: int, retention_days: int) -> int:
    """Remove a slice of rows that expire by age alone, unless another node is doing so."""
    if await db.fetch_row("carry_state") is None:
        return 0
    return await retention.remove_expired(db, now, retention_days)


async def remove_webhooks(db: PostgresSession, now: int) -> Removals:
    """Remove deleted webhooks that nothing needs.

    Nothing while days are being removed: then a delivery may be there without its attempts.
    """
    row = await db.fetch_row("carry_state")
    if row is None or _Carry(*row).until:
        return Removals()
    return await retention.remove_webhooks(db, now)


# --- days -----------------------------------------------------------------------------------------


async def remove_days(db: PostgresSession, retention_days: int, now: int) -> Slice:
    """Run one slice of removing the days that ended `retention_days` ago, in one transaction.

    It waits for locks only briefly. If it cannot get them, it fails and does nothing.
    """
    row = await db.fetch_row("carry_state")
    if row is None:
        return Slice()
    carry = _Carry(*row)
    allowed = id_floor("evt", midnight(now - retention_days * DAY_MS))[4:14]
    if not carry.until or (carry.until > allowed and carry.step < DROPPING):
        return await _begin(db, allowed)
    if carry.step == ATTEMPTS:
        return await _carry_newest(db, carry)
    if carry.step == STAYING:
        return await _carry_young(db, carry)
    if carry.step == PENDING:
        return await _carry_pending(db, carry)
    return await _drop(db, carry)


async def _begin(db: PostgresSession, allowed: str) -> Slice:
    """Choose the days, make the tables for the rows to keep, and note late writes to the days."""
    ranges = await find_ranges(db)
    until = _choice(ranges, allowed)
    if not until:
        return Slice()
    carry = _Carry(until, ATTEMPTS, "", 0)
    for table in ID_KINDS:
        leaving = _leaving(ranges[table], carry.floor(table))
        await db.script(
            f"DROP TABLE IF EXISTS {table}_next;"
            # With this condition, attaching it as a partition does not check all rows.
            f"CREATE TABLE {table}_next"
            f" (LIKE {table} INCLUDING ALL, CHECK (id < '{carry.floor(table)}'))"
            " WITH (autovacuum_enabled = off);" + "".join(_watch_sql(table, one) for one in leaving)
        )
    await db.execute("forget_late_writes")
    return await _moved(db, carry)


def _watch_sql(table: str, one: Partition) -> str:
    # A running vacuum would keep the lock that is needed to drop it.
    return (
        f"ALTER TABLE {one.name} SET (autovacuum_enabled = off);"
        f"CREATE OR REPLACE TRIGGER late_write AFTER INSERT OR UPDATE OR DELETE ON {one.name}"
        f" FOR EACH ROW EXECUTE FUNCTION note_late_write('{table}');"
    )


def _choice(ranges: dict[str, Ranges], allowed: str) -> str:
    """Return where the leaving days end, a bound of all tables; "" when no day is old enough."""
    ends = [{one.high[4:14] for one in found.partitions if one.low} for found in ranges.values()]
    old = sorted(end for end in set.intersection(*ends) if end <= allowed)
    return old[:MOST_DAYS][-1] if old else ""


def _leaving(ranges: Ranges, floor: str) -> list[Partition]:
    return [one for one in ranges.partitions if one.high <= floor]


async def _moved(db: PostgresSession, carry: _Carry) -> Slice:
    await db.execute("move_carry", *carry)
    return Slice(more=True)


async def _carry_newest(db: PostgresSession, carry: _Carry) -> Slice:
    """Carry the newest attempts of the next organizations, with deliveries and events."""
    organizations = await db.fetch(
        "organizations_before", carry.cursor, carry.floor("attempt"), _ORGANIZATIONS
    )
    if not organizations:
        return await _moved(db, carry._replace(step=STAYING, cursor=""))
    needs: list[Row] = []
    name = ""
    for (name,) in organizations:
        kept = await db.fetch("carry_newest_attempts", name, carry.floor("attempt"), KEPT_ATTEMPTS)
        needs += kept
        if len(needs) >= SLICE:
            break
    carried = len(needs) + await _carry_needs(db, carry, needs)
    return await _moved(db, carry._replace(cursor=name, gone=carry.gone - carried))


async def _carry_young(db: PostgresSession, carry: _Carry) -> Slice:
    """Carry the deliveries and events of attempts that stay in their days."""
    floors = carry.floor("delivery"), carry.floor("attempt")
    needs = await db.fetch("needs_of_young_attempts", carry.cursor, *floors, SLICE)
    if not needs:
        return await _moved(db, carry._replace(step=PENDING, cursor=""))
    carried = await _carry_needs(db, carry, needs)
    return await _moved(db, carry._replace(cursor=needs[-1][1], gone=carry.gone - carried))


async def _carry_pending(db: PostgresSession, carry: _Carry) -> Slice:
    """Carry the events and outcomes of pending deliveries."""
    webhook_id, _, delivery_id = carry.cursor.partition(" ")
    floor = carry.floor("delivery")
    rows = await db.fetch("needs_of_pending", webhook_id, delivery_id, floor, _PENDING_SLICE)
    if not rows:
        return await _moved(db, carry._replace(step=DROPPING, cursor=""))
    carried = await _carry_needs(db, carry, [row for row in rows if row[1] < floor])
    _, delivery_id, webhook_id = rows[-1]
    cursor = f"{webhook_id} {delivery_id}"
    return await _moved(db, carry._replace(cursor=cursor, gone=carry.gone - carried))


async def _carry_needs(db: PostgresSession, carry: _Carry, needs: Sequence[Row]) -> int:
    """Carry deliveries, and their events; return how many rows.

    `needs` are rows that begin with organization and delivery.
    """
    if not needs:
        return 0
    organizations, ids = _keys(needs)
    events = sorted(set(map(event_of, ids)))
    carried = 0
    if carry.step <= DROPPING + list(ID_KINDS).index("delivery"):
        floor = carry.floor("delivery")
        carried = await db.execute("carry_deliveries", organizations, ids, floor)
    return carried + await db.execute("carry_events", events, carry.floor("event"))


def _keys(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """Return the first two columns of rows: each pair once, sorted."""
    keys = sorted({(row[0], row[1]) for row in rows})
    return [organization for organization, _ in keys], [id_ for _, id_ in keys]


# --- the last transaction of a table --------------------------------------------------------------


async def catch_up(db: PostgresSession) -> bool:
    """Carry what was written or requested meanwhile; return whether there was anything.

    This is done before the tables are locked, so that little is left to do while they are.
    """
    row = await db.fetch_row("carry_state")
    if row is None or row[1] < DROPPING:
        return False
    carry = _Carry(*row)
    tables = list(ID_KINDS)[carry.step - DROPPING :]
    carried = sum([await _carry_late(db, carry, table) for table in tables])
    if "delivery" in tables:
        carried += await _carry_replays(db, carry, SLICE)
    return carried > 0


async def _drop(db: PostgresSession, carry: _Carry) -> Slice:
    table = list(ID_KINDS)[carry.step - DROPPING]
    ranges = (await find_ranges(db))[table]
    leaving = [one.name for one in _leaving(ranges, carry.floor(table))]
    gone = carry.gone + sum([await _rows_of(db, name) for name in leaving])
    locked = ", ".join(f"ONLY {name}" for name in (table, f"{table}_default", *leaving))
    await db.script(
        # The time for all of these locks together.
        f"SET LOCAL statement_timeout = {LOCK_MS}; LOCK TABLE {locked} IN ACCESS EXCLUSIVE MODE;"
    )
    await db.script("SET LOCAL statement_timeout = '1s'")
    await _carry_late(db, carry, table)
    if table == "delivery":
        await _carry_replays(db, carry, None)
    old = Partition(f"{table}_old", "", carry.floor(table))
    await db.script(
        f"DROP TABLE {', '.join(leaving)};"
        f"ALTER TABLE {table}_next RESET (autovacuum_enabled);"
        f"ALTER TABLE {table}_next RENAME TO {old.name};{attach_sql(table, old)}"
    )
    if carry.step < DROPPING + len(ID_KINDS) - 1:
        return await _moved(db, carry._replace(step=carry.step + 1, gone=gone))
    await _moved(db, _IDLE)
    return Slice(gone=max(0, gone), more=True)


async def _rows_of(db: PostgresSession, name: str) -> int:
    """Return how many rows a table has; if many, according to the statistics."""
    rows: int = await db.connection.fetchval(
        f"SELECT count(*) FROM (SELECT FROM {name} LIMIT {SLICE}) AS counted"  # noqa: S608
    )
    return rows if rows < SLICE else max(rows, await db.fetch_value("rows_about", name))


async def _carry_late(db: PostgresSession, carry: _Carry, table: str) -> int:
    """Carry again what was written to the leaving days since; return how many rows."""
    written = await db.fetch("take_late_writes", table)
    if not written:
        return 0
    organizations, ids = _keys(written)
    await db.execute(_DROP_NEXT[table], organizations, ids)
    if table == "event":
        return await db.execute("carry_events", ids, carry.floor("event"))
    if table == "delivery":
        return await _carry_needs(db, carry, written)
    found = await db.fetch("carry_attempts", organizations, ids, carry.floor("attempt"))
    return len(found) + await _carry_needs(db, carry, found)


async def _carry_replays(db: PostgresSession, carry: _Carry, most: int | None) -> int:
    """Carry the deliveries for which a replay was requested since; return how many rows."""
    replayed = await db.fetch("needs_of_replays", carry.floor("delivery"), most)
    return await _carry_needs(db, carry, replayed)
