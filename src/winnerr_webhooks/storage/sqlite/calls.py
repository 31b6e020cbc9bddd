"""Calls: verbs in the queue of a database thread, each with its time limit."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from winnerr_webhooks.storage.sqlite.sqlite_connection import Connection


class TimeLimit(NamedTuple):
    """How long a verb may wait, and how long it may run then."""

    begin: float
    """Seconds in which it must begin; otherwise it is not run at all."""
    work: float
    """Seconds that it may run then, before it is interrupted and undone."""


CALLER: Final = TimeLimit(begin=1.8, work=2.0)
"""A verb that an API caller waits for. They get a 503 within 2 s, as on PostgreSQL."""
BULK: Final = TimeLimit(begin=5.0, work=2.0)
"""Storing a part of a large batch: its caller expects to wait for the other parts too."""
BACKGROUND: Final = TimeLimit(begin=5.0, work=5.0)
"""Settle, claim and release: no caller waits for them."""
JOB: Final = TimeLimit(begin=30.0, work=10.0)
"""A slice of a job, of a repair or of retention."""
START: Final = TimeLimit(begin=60.0, work=300.0)
"""Work at the start that reads all rows, such as freeing old leases."""
READ: Final = TimeLimit(begin=10.0, work=10.0)
"""A read for a page or for an answer of the API."""
SEARCH: Final = TimeLimit(begin=10.0, work=4.0)
"""A search in the log. It stops by itself after 2 s; the rest is for a slow disk."""
SCAN: Final = TimeLimit(begin=60.0, work=60.0)
"""A read of many rows for a repair, retention or the count of a replay."""


class Call:
    """One verb in the queue of a thread, and the future of its answer.

    The future belongs to the event loop; `begun` and `dropped` are guarded by the worker's lock.
    """

    __slots__ = ("answer", "begin_by", "begun", "dropped", "limit", "short", "urgent", "verb")

    def __init__(
        self,
        verb: Callable[[Connection], Any],
        answer: "asyncio.Future[Any] | None" = None,
        *,
        limit: TimeLimit = CALLER,
        begin_by: float = float("inf"),
        urgent: bool = False,
        short: bool = False,
    ) -> None:
        self.verb = verb
        self.answer = answer
        self.limit = limit
        self.begin_by = begin_by
        """The loop's instant by which it must have begun."""
        self.urgent = urgent
        self.short = short
        self.begun = False
        self.dropped = False

    def drop(self) -> None:
        """Cancel it before it begins, and free the memory of what it was to store."""
        self.dropped = True
        self.verb = _nothing


class Failed(NamedTuple):
    """An outcome that is an error."""

    error: Exception


def resolve(calls: Sequence[Call], outcomes: Sequence[Any]) -> None:
    """Give the outcomes to the callers that still wait; on the event loop."""
    for call, outcome in zip(calls, outcomes, strict=True):
        if call.answer is None or call.answer.done():  # there is no caller, or they left
            continue
        if isinstance(outcome, Failed):
            call.answer.set_exception(outcome.error)
        else:
            call.answer.set_result(outcome)


def _nothing(_db: Connection) -> None:
    return
