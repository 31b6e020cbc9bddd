"""Copies all of an SQLite database to PostgreSQL, and proves that everything arrived.

The copy is one transaction: nothing of it is visible before it commits, and if it fails nothing has
happened. So there is never a partial copy to continue or to clean up.

Each side is counted and summed up independently, over keys, states, bodies and sealed secrets: the
source's rows as they are read, the target's by PostgreSQL.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.database_url import display_name, sqlite_path
from winnerr_webhooks.domain.errors import ConfigurationError, Unavailable
from winnerr_webhooks.ids import Jitter, delivery_id
from winnerr_webhooks.storage.postgres import partitions, postgres_schema
from winnerr_webhooks.storage.postgres.connection_opener import SCHEMA
from winnerr_webhooks.storage.postgres.postgres_session import PostgresSession, storable
from winnerr_webhooks.storage.postgres.transactions import Database
from winnerr_webhooks.storage.sqlite import sqlite_file
from winnerr_webhooks.storage.sqlite.sqlite_connection import Connection
from winnerr_webhooks.storage.statements import statements_in

Report = Callable[[str, int, int], None]
"""Table, rows in the source, rows in the target."""

_KEYS: Final = "WINNERR_WEBHOOKS_ENCRYPTION_KEYS"
_SECONDS: Final = 7 * 86_400.0
_SETTINGS: Final = (
    "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;"
    "SET LOCAL lock_timeout = '5s'; SET LOCAL enable_seqscan = on;"
)
_CACHE_KIB: Final = 65_536
_strings: Final = msgspec.json.Decoder(list[str])


_CONVERSIONS: Final[Mapping[str, Callable[[Any], Any]]] = {
    # By column: what PostgreSQL holds, made from what SQLite holds.
    "suffix": lambda number: delivery_id("evt_", number)[-4:],
    "events": _strings.decode,
    "statuses": _strings.decode,
    "test": bool,
    "finished": bool,
    "reconnected": bool,
    "truncated": bool,
    **dict.fromkeys(
        (
            *("name", "url", "description", "status_reason", "reason", "error_message"),
            *("user_name", "actor_name", "webhook_url", "webhook_name"),
        ),
        storable,
    ),
}


class _Table(NamedTuple):
    name: str
    proof: tuple[str, ...]
    """The columns by which both sides are compared: those that are copied as they are."""


_TABLES: Final = (
    _Table("api_key", ("id", "hash", "revoked_at")),
    _Table(
        "webhook",
        (
            "id",
            "organization",
            "number",
            "status",
            "secret",
            "next_secret",
            "credentials",
            "retry_schedule",
            "filter",
            "rate_limit",
            "order_by",
        ),
    ),
    _Table("lane_turn", ("webhook_id",)),
    _Table("run", ("webhook_id", "failing_since", "failures")),
    _Table("subscription", ("organization", "event", "webhook_id")),
    _Table("idempotency", ("organization", "client_id", "fingerprint", "event_id", "at")),
    _Table(
        "pending",
        ("webhook_id", "delivery_id", "due_at", "lease", "attempts", "replay", "order_key"),
    ),
    _Table("lane", ("webhook_id", "next_due_at")),
    _Table("health", ("webhook_id", "starts_at", "duration_class", "succeeded", "failed")),
    _Table("job", ("id", "webhook_id", "cursor", "report")),
    _Table("job_report", ("id", "webhook_id", "planned")),
    _Table("job_count", ("report", "outcome", "deliveries")),
    _Table("rehearsal", ("id", "webhook_id", "ended_at")),
    _Table("rehearsal_answer", ("rehearsal", "position", "attempt_id", "status")),
    _Table("activity", ("organization", "id", "action", "actor_kind", "details")),
    _Table("alert_settings", ("organization", "emails", "event_names", "language")),
    _Table("alert_state", ("webhook_id", "state", "since", "told", "failed", "failed_told_at")),
    _Table("alert", ("id", "event", "at", "data")),
    _Table("alert_mail", ("alert", "email", "data", "attempts", "due_at")),
    _Table("sign_in_link", ("hash", "expires_at")),
    _Table("session", ("hash", "expires_at")),
    _Table("event", ("id", "organization", "body")),
    _Table("delivery", ("organization", "id", "status", "attempts")),
    _Table("attempt", ("organization", "id", "delivery_id", "outcome", "response_body")),
)
_BYTES: Final = frozenset(
    ("hash", "secret", "next_secret", "credentials", "fingerprint", "body", "response_body")
)


class _Sum(NamedTuple):
    """How many rows, and a sum over them that does not depend on their order."""

    rows: int
    digest: int


def copy(source_url: str, target_url: str, *, report: Report) -> str:
    """Copy all of an SQLite database into an empty PostgreSQL one; returns what to do next.

    `report` is called for each table once it is proven. Signing secrets stay sealed, so the target
    needs the same keys: the returned sentence says where they are. Blocking; no event loop may run
    in this thread.

    `ConfigurationError` when a server runs on the source, when it is not a database of this
    program, when the target is not empty, or when a table differs in the end. `Unavailable` when
    PostgreSQL is lost meanwhile. In all these cases nothing was copied.
    """
    path = sqlite_path(source_url)
    if path is None or not path.exists():
        raise ConfigurationError(
            f"There is no SQLite database {display_name(source_url)} to copy from."
        )
    lock = sqlite_file.lock(str(path))  # no server may change it meanwhile
    try:
        source = sqlite_file.open_writer(str(path), cache_kib=_CACHE_KIB)
        try:
            source.begin_read()
            asyncio.run(_copied(source, target_url, report))
            return _next_step(path, target_url, has_secrets=bool(_one(source, "has_secrets")))
        except apsw.Error as error:
            raise ConfigurationError(
                f"The database file {path} cannot be read: {error}. Nothing was copied."
            ) from error
        finally:
            source.rollback()
            source.close()
    finally:
        lock.close()


def _next_step(path: Path, target_url: str, *, has_secrets: bool) -> str:
    key_file = path.with_name(path.name + ".keys")
    keys = f"{_KEYS} as it was for {path}"
    if key_file.exists():
        keys = (
            f"{_KEYS} set to what the key file {key_file} holds (its line id:base64key; several "
            "lines with commas between them)"
        )
    sealed = ", which open the signing secrets copied" if has_secrets else ""
    return (
        f"Everything is in {display_name(target_url)}. Start the nodes there with {keys}{sealed}. "
        f"Keep {path} as a backup, and run no server on it any more: pending deliveries would be "
        "delivered twice."
    )


# --- the target -----------------------------------------------------------------------------------


async def _copied(source: Connection, target_url: str, report: Report) -> None:
    clock = SystemClock()
    database = Database(target_url, clock=clock, jitter=Jitter(), connections=1)
    await database.start()
    try:
        await postgres_schema.upgrade(database)
        oldest = _one(source, "oldest")
        now = clock.now_ms()
        for table in partitions.ID_KINDS:
            await _prepare(database, table, now if oldest is None else oldest, now)
        sums = await database.transact(
            lambda db: _fill(db, source), seconds=_SECONDS, settings=_SETTINGS
        )
    finally:
        await database.close()
    for name, rows in sums.items():
        report(name, rows, rows)


async def _prepare(database: Database, table: str, oldest: int, now: int) -> None:
    """Give an empty table the day partitions that its rows will need."""

    async def remake(db: PostgresSession) -> None:
        await _refuse_filled(db)
        there = (await partitions.find_ranges(db))[table].partitions
        if there:
            await db.script(f"DROP TABLE {', '.join(one.name for one in there)}")
        await partitions.add(db, table, partitions.history_partitions(table, oldest, now))

    try:
        await database.transact(remake, seconds=_SECONDS, settings=_SETTINGS)
    except Unavailable as error:
        if not partitions.is_lock_failure(error):
            raise
        raise ConfigurationError(
            "The target database is in use: stop the programs that use it, then start again."
        ) from error


async def _refuse_filled(db: PostgresSession) -> None:
    for table in _TABLES:
        if await db.connection.fetchval(f"SELECT EXISTS (SELECT FROM {table.name})"):  # noqa: S608
            raise ConfigurationError(
                f"The target database is in use: its table {SCHEMA}.{table.name} has rows. Name an "
                f"empty database, or drop the schema {SCHEMA} if nothing in it is needed."
            )


async def _fill(db: PostgresSession, source: Connection) -> dict[str, int]:
    """Fill every table; return how many rows each has. `ConfigurationError` if one differs."""
    names = ", ".join(table.name for table in _TABLES)
    await db.script(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")  # other programs wait
    await _refuse_filled(db)
    filled = {}
    for table in _TABLES:
        expected = await _put(db, source, table)
        found = await _summed(db, table)
        if found != expected:
            raise ConfigurationError(
                f"The copy of {table.name} differs from the original: {found.rows} rows instead of "
                f"{expected.rows}, or other contents. Nothing was copied."
            )
        filled[table.name] = found.rows
    await db.script(_sql("finish"))
    return filled


async def _put(db: PostgresSession, source: Connection, table: _Table) -> _Sum:
    rows = _Rows(source, table)
    await db.connection.copy_records_to_table(
        table.name, schema_name=SCHEMA, columns=rows.columns, records=rows
    )
    return rows.sum


async def _summed(db: PostgresSession, table: _Table) -> _Sum:
    texts = (f"encode(sha256({one}), 'hex')" if one in _BYTES else one for one in table.proof)
    row = await db.connection.fetchrow(
        "SELECT count(*), coalesce(sum(('x' || encode(substr(sha256(convert_to("  # noqa: S608
        f"concat_ws('|', {', '.join(texts)}), 'UTF8')), 1, 7), 'hex'))::bit(56)::bigint), 0) "
        f"FROM {table.name}"  # names of this module's own
    )
    return _Sum(row[0], int(row[1]))


# --- the source -----------------------------------------------------------------------------------


class _Rows:
    """The rows of a table, read as they are sent, and their sum."""

    def __init__(self, source: Connection, table: _Table) -> None:
        self.columns: list[str] = []
        self._cursor = source.apsw.cursor()
        self._cursor.exec_trace = self._note_columns  # later there may be no row to ask
        self._cursor.execute(_sql(table.name))
        self._convert = [_CONVERSIONS.get(column) for column in self.columns]
        self._proof = [(self.columns.index(one), one in _BYTES) for one in table.proof]
        self._rows = 0
        self._digest = 0

    def _note_columns(self, cursor: apsw.Cursor, _sql: str, _values: object) -> bool:
        self.columns += (column[0] for column in cursor.get_description())
        return True

    def __iter__(self) -> Iterator[Sequence[Any]]:
        for row in self._cursor:
            self._rows += 1
            self._digest += _digest(row, self._proof)
            yield [
                value if convert is None or value is None else convert(value)
                for value, convert in zip(row, self._convert, strict=True)
            ]

    @property
    def sum(self) -> _Sum:
        """Over all rows given out so far."""
        return _Sum(self._rows, self._digest)


def _digest(row: Sequence[Any], proof: Sequence[tuple[int, bool]]) -> int:
    """Return a number made of one row, as PostgreSQL makes it in `_summed`."""
    parts = [
        hashlib.sha256(row[at]).hexdigest() if is_bytes else str(row[at])
        for at, is_bytes in proof
        if row[at] is not None
    ]
    return int.from_bytes(hashlib.sha256("|".join(parts).encode()).digest()[:7])


def _one(source: Connection, name: str) -> Any:
    row = source.apsw.execute(_sql(name)).fetchone()
    return None if row is None else row[0]


def _sql(name: str) -> str:
    return statements_in(__package__, "copy_to_postgres.sql")[name]
