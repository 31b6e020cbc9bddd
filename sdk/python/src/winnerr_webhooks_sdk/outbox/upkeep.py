"""Looking after an outbox: how much waits, and what was refused."""

from __future__ import annotations

from typing import Any, List, NamedTuple, Optional, Sequence

from winnerr_webhooks_sdk.outbox.database import Database, marks
from winnerr_webhooks_sdk.outbox.table import TABLE, check_name

_COUNT = "SELECT status, COUNT(*), MIN(happened_at) FROM {table} GROUP BY status"
_LIST = """
    SELECT sequence, id, organization, event, refusal FROM {table}
    WHERE status = 'refused' ORDER BY sequence LIMIT {limit}
"""
_RETRY = "UPDATE {table} SET status = 'waiting', refusal = NULL WHERE status = 'refused'"


class Counts(NamedTuple):
    """How many events are in an outbox."""

    waiting: int
    refused: int
    oldest: Optional[str]
    """When the first event that waits happened (RFC 3339)."""


class RefusedRow(NamedTuple):
    """An event that the API refused."""

    sequence: int
    id: str
    organization: str
    event: str
    refusal: str


def count_rows(connection: Any, table: str = TABLE) -> Counts:
    """Return how much waits, for metrics."""
    found = {
        row[0]: row for row in Database(connection).rows(_COUNT.format(table=check_name(table)))
    }
    _, waiting, oldest = found.get("waiting", (None, 0, None))
    _, refused, _ = found.get("refused", (None, 0, None))
    return Counts(waiting, refused, oldest)


def list_refused(connection: Any, table: str = TABLE, limit: int = 100) -> List[RefusedRow]:
    """Return what was refused and why, oldest first."""
    sql = _LIST.format(table=check_name(table), limit=int(limit))
    return [RefusedRow(*row) for row in Database(connection).rows(sql)]


def retry_refused(
    connection: Any, sequences: Optional[Sequence[int]] = None, table: str = TABLE
) -> int:
    """Have refused events sent again, all of them or these; how many. Commit yourself.

    They are sent after events that were emitted later and accepted meanwhile.
    """
    sql = _RETRY.format(table=check_name(table))
    if sequences is None:
        return Database(connection).run(sql)
    if not sequences:
        return 0
    return Database(connection).run(f"{sql} AND sequence IN ({marks(len(sequences))})", sequences)
