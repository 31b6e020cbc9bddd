"""The log as a file: attempts as CSV (RFC 4180) or NDJSON, without headers and bodies.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, and receivers choose
what error messages say. So such a cell of the CSV begins with an apostrophe.
"""

import csv
import io
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import msgspec

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.attempt import LoggedAttempt
from winnerr_webhooks.domain.event import rfc3339_ms
from winnerr_webhooks.storage.port import Log
from winnerr_webhooks.storage.values import LogFilter

MOST_EXPORTED: Final = 10_000
"""Attempts of one file, the newest that match."""
LONGEST_SECONDS: Final = 60.0
"""No part is read later than this after the start: a sparse search would go on for hours."""
_PART: Final = 500
CSV, NDJSON = "csv", "ndjson"
MEDIA_TYPES: Final = {CSV: "text/csv; charset=utf-8", NDJSON: "application/x-ndjson"}
_COLUMNS: Final = (
    "startedAt", "outcome", "status", "event", "webhookName", "url", "attempt", "trigger",
    "durationMs", "errorKind", "errorMessage", "deliveryStatus", "id", "deliveryId", "eventId",
    "webhookId",
)  # fmt: skip
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


async def export_log(
    storage: Log, clock: Clock, query: LogFilter, names: Mapping[str, str | None], kind: str
) -> AsyncIterator[str]:
    """The parts of a file. `names` are the names of webhooks by id.

    What was read is sent before more is read, so a slow reader holds no more than one part.
    """
    if kind == CSV:
        yield csv_line(_COLUMNS)
    ends = clock.monotonic() + LONGEST_SECONDS
    left = MOST_EXPORTED
    while left and clock.monotonic() < ends:
        part = msgspec.structs.replace(query, limit=min(left, _PART))
        found = await storage.log(part)
        rows = [_row(attempt, names.get(attempt.webhook_id)) for attempt in found.items]
        yield "".join(map(_csv if kind == CSV else _ndjson, rows))
        left -= len(rows)
        if found.next is None:
            return
        query = msgspec.structs.replace(query, before=found.next)


def csv_line(cells: Any) -> str:
    """One line of CSV; no cell is a formula."""
    text = io.StringIO()
    csv.writer(text).writerow([_harmless(cell) for cell in cells])
    return text.getvalue()


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _csv(row: dict[str, Any]) -> str:
    return csv_line(row[name] for name in _COLUMNS)


def _ndjson(row: dict[str, Any]) -> str:
    return msgspec.json.encode(row).decode() + "\n"


def _row(attempt: LoggedAttempt, name: str | None) -> dict[str, Any]:
    """An attempt by column; the names are those of the API."""
    return {
        "startedAt": rfc3339_ms(attempt.started_at),
        "outcome": attempt.outcome,
        "status": attempt.status,
        "event": attempt.event,
        "webhookName": name,
        "url": attempt.url,
        "attempt": attempt.attempt,
        "trigger": attempt.trigger,
        "durationMs": round(attempt.duration_ms, 3),
        "errorKind": attempt.error_kind,
        "errorMessage": attempt.error_message or None,
        "deliveryStatus": attempt.delivery_status,
        "id": attempt.id,
        "deliveryId": attempt.delivery_id,
        "eventId": attempt.event_id,
        "webhookId": attempt.webhook_id,
    }
