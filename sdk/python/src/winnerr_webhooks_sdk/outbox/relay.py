"""The relay: moves events from an outbox to the API.

Order and single acceptance do not depend on claims. A row is sent only after every row of its
organization before it has been answered, or together with them in one batch, and the API accepts an
id once. If a relay stalls for longer than its claim lasts, another sends the same rows, and the
second submission changes nothing. Claims only keep relays from repeating each other's work.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Protocol, Sequence

from winnerr_webhooks_sdk.emitter import Emitter
from winnerr_webhooks_sdk.errors import EmitError, Refused, Unavailable
from winnerr_webhooks_sdk.exchange import MAX_BATCH, MAX_BATCH_EVENTS, Accepted, Result
from winnerr_webhooks_sdk.new_event import NewEvent, Submission, encode, parse_rfc3339
from winnerr_webhooks_sdk.outbox.database import Database, Row, marks
from winnerr_webhooks_sdk.outbox.table import TABLE, check_name

CLAIM_SECONDS = 60.0
"""How long a relay keeps others from the organizations whose events it sends: longer than an
`Emitter` goes on trying."""
POLL_SECONDS = 0.25
LONGEST_PAUSE = 5.0
"""Seconds between tries while the database or the API is away."""
_OF_THE_EVENTS = (400, 413, 422)
"""Statuses of a call that are about what was sent, not about who sent it or where to."""
_PORTION = 500
"""Values in one statement; SQLite before 3.32 takes 999."""

_CANDIDATES = """
    SELECT sequence, organization, size FROM {table}
    WHERE status = 'waiting'
        AND organization NOT IN (SELECT organization FROM {table} WHERE claimed_until > ?)
    ORDER BY sequence LIMIT {limit}
"""
_CLAIM = """
    UPDATE {table} SET claimed_until = ?, claimed_by = ?
    WHERE sequence IN ({marks}) AND status = 'waiting' AND claimed_until <= ?
"""
_CLAIMED = "SELECT organization FROM {table} WHERE sequence IN ({marks}) AND claimed_by = ?"
_READ = """
    SELECT sequence, id, organization, event, data, happened_at FROM {table}
    WHERE sequence IN ({marks}) AND status = 'waiting' ORDER BY sequence
"""
_DELETE = "DELETE FROM {table} WHERE sequence IN ({marks})"
_REFUSE = """
    UPDATE {table} SET status = 'refused', refusal = ?, claimed_until = 0, claimed_by = NULL
    WHERE sequence = ?
"""
_RELEASE = """
    UPDATE {table} SET claimed_until = 0, claimed_by = NULL
    WHERE sequence IN ({marks}) AND claimed_by = ?
"""

log = logging.getLogger(__name__)


class Submitter(Protocol):
    """What the relay sends by: an `Emitter`."""

    def submit(self, submissions: List[Submission]) -> List[Result]:
        """Send events; the result of each."""
        ...


class Round(NamedTuple):
    """What one call of `relay` did, in events."""

    accepted: int = 0
    refused: int = 0
    """Kept in the table, with the reason; see `list_refused`."""
    postponed: int = 0
    """The API could not take them now; they are sent in a later round."""


def relay(
    connection: Any,
    emitter: Submitter,
    *,
    table: str = TABLE,
    claim_seconds: float = CLAIM_SECONDS,
    now: Callable[[], float] = time.time,
) -> Round:
    """Send one batch of an outbox: the events that have waited longest.

    Rows that were accepted are deleted. `connection` is the relay's own: this commits. No
    transaction is open while the API is called. Any number of relays may run at once.

    `Refused` when the API refuses the call as a whole, such as for a wrong key.
    """
    outbox = _Outbox(Database(connection), check_name(table))
    rows = outbox.claim(now(), claim_seconds)
    if not rows:
        return Round()
    try:
        results = _send(rows, emitter)
    except BaseException:
        outbox.settle({}, outbox.heads)
        raise
    outbox.settle(results, outbox.heads)
    answers = results.values()
    accepted = sum(isinstance(answer, Accepted) for answer in answers)
    postponed = sum(isinstance(answer, Unavailable) for answer in answers)
    return Round(accepted, len(results) - accepted - postponed, postponed)


def run_relay(
    connect: Callable[[], Any],
    emitter: Emitter,
    stop: threading.Event,
    *,
    table: str = TABLE,
    poll_seconds: float = POLL_SECONDS,
) -> None:
    """Move events on until `stop` is set, whatever becomes of the database and the API meanwhile.

    `connect` opens a connection, and is called again after the database was away. `Refused` ends
    it when the API refuses the key or the call: that needs a person.
    """
    connection = None
    failures = 0
    try:
        while not stop.is_set():
            try:
                connection = connect() if connection is None else connection
                done = relay(connection, emitter, table=table)
            except Refused:
                raise
            except EmitError as error:
                failures += 1
                log.warning("The API gave no usable answer: %s", error)
            except Exception as error:  # noqa: BLE001  each driver has its own tree of errors
                failures += 1
                log.warning("The outbox could not be read or written: %s", error)
                _close(connection)
                connection = None
            else:
                failures = failures + 1 if done.postponed else 0
                if done.refused:
                    log.warning("%d events were refused; they stay in %s", done.refused, table)
                if not done.postponed and (done.accepted or done.refused):
                    continue
            stop.wait(min(poll_seconds * 2.0 ** min(failures, 10), LONGEST_PAUSE))
    finally:
        _close(connection)


class _Outbox:
    """The table as one round sees it."""

    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._table = table
        self._claim_id = str(uuid.uuid4())
        self.heads: List[int] = []
        """The rows that carry this round's claims."""

    def claim(self, now: float, seconds: float) -> List[Row]:
        """Claim organizations and return a batch of their events, in the order of emission.

        An organization is claimed by its first waiting row. One statement decides who gets it.
        """
        sql = _CANDIDATES.format(table=self._table, limit=MAX_BATCH_EVENTS)
        candidates = _cut(self._database.rows(sql, (int(now),)))
        heads: Dict[str, int] = {}
        for sequence, organization, _ in candidates:
            heads.setdefault(organization, sequence)
        self.heads = sorted(heads.values())
        claim = (int(now + seconds), self._claim_id)
        for portion in _portions(self.heads):
            self._run(_CLAIM, (*claim, *portion, int(now)), portion)
        mine = {
            row[0]
            for portion in _portions(self.heads)
            for row in self._rows(_CLAIMED, (*portion, self._claim_id), portion)
        }
        self._database.commit()
        wanted = [sequence for sequence, organization, _ in candidates if organization in mine]
        rows = [row for portion in _portions(wanted) for row in self._rows(_READ, portion, portion)]
        self._database.commit()
        return rows

    def settle(self, results: Dict[int, Result], heads: List[int]) -> None:
        """Delete what was accepted, mark what was refused, and release the claims."""
        accepted = [n for n, result in results.items() if isinstance(result, Accepted)]
        for portion in _portions(accepted):
            self._run(_DELETE, portion, portion)
        for sequence, result in results.items():
            if not isinstance(result, (Accepted, Unavailable)):
                self._run(_REFUSE, (str(result), sequence))
        for portion in _portions(heads):
            self._run(_RELEASE, (*portion, self._claim_id), portion)
        self._database.commit()

    def _run(self, sql: str, values: Sequence[Any], listed: Sequence[int] = ()) -> None:
        self._database.run(self._format(sql, listed), values)

    def _rows(self, sql: str, values: Sequence[Any], listed: Sequence[int]) -> List[Row]:
        return self._database.rows(self._format(sql, listed), values)

    def _format(self, sql: str, listed: Sequence[int]) -> str:
        return sql.format(table=self._table, marks=marks(len(listed)))


def _send(rows: List[Row], emitter: Submitter) -> Dict[int, Result]:
    results: Dict[int, Result] = {}
    submissions: Dict[int, Submission] = {}
    for sequence, event_id, organization, event, data, happened_at in rows:
        try:
            moment = parse_rfc3339(happened_at)
            raw = data if isinstance(data, bytes) else data.encode()
            new = NewEvent(event, organization, raw, event_id, moment)
            submissions[sequence] = encode(new)
        except (ValueError, TypeError) as error:  # a row that `Outbox` did not write
            results[sequence] = EmitError(f"This row is no event: {error}")
    if submissions:
        results.update(zip(submissions, _submit(list(submissions.values()), emitter)))
    return results


def _submit(submissions: List[Submission], emitter: Submitter) -> List[Result]:
    """Send events; if one of them spoils the whole call, find it by halves."""
    try:
        return emitter.submit(submissions)
    except Refused as refused:
        if refused.status not in _OF_THE_EVENTS:
            raise
        if len(submissions) == 1:
            return [refused]
    middle = len(submissions) // 2
    first = _submit(submissions[:middle], emitter)
    if isinstance(first[-1], Unavailable):  # what follows must not overtake it
        return first + [first[-1]] * (len(submissions) - middle)
    return first + _submit(submissions[middle:], emitter)


def _cut(candidates: List[Row]) -> List[Row]:
    """Return as many as fit into one batch of the API."""
    size = 0
    for count, (_, _, bytes_of_event) in enumerate(candidates):
        size += bytes_of_event + 1
        if size >= MAX_BATCH and count:
            return candidates[:count]
    return candidates


def _portions(sequences: List[int]) -> Iterator[List[int]]:
    for start in range(0, len(sequences), _PORTION):
        yield sequences[start : start + _PORTION]


def _close(connection: Any) -> None:
    if connection is not None:
        try:
            connection.close()
        except Exception as error:  # noqa: BLE001  it is lost anyway
            log.debug("A lost connection could not be closed: %s", error)
