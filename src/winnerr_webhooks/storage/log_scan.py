"""How the log is read: which ids can hold what is asked for, and the scan through them. Pure.

A scan goes newest first through a range of an index, step by step. It stops after 50,000 rows or
2 s, and then its `next` is the last row that it examined. So a search that finds little can be
continued exactly where it stopped.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from winnerr_webhooks.domain.delivery import CANCELLED, FAILED, PENDING
from winnerr_webhooks.ids import id_floor

T = TypeVar("T")

MAX_ROWS: Final = 50_000
MAX_SECONDS: Final = 2.0
STEP: Final = 500
MIN_STEP: Final = 25
STEP_SECONDS: Final = 0.2
"""How long a step should take at most: where bodies are large, steps are short."""
FIRST_TEXT_STEP: Final = 50
"""The first step of a search in bodies, whose sizes are not known yet."""
SLACK_MS: Final = 3_600_000
"""An id is made shortly before its row, by a clock that may be set back. So a range of ids is this
much wider than the range of time, and the row's own instant decides."""
NEWEST: Final = "~"
"""Sorts after every id."""
_SETTLED_WITHIN_MS: Final = 5_000
"""An attempt's id is made at most this long before it is settled, for `streak_start`."""
_DAY_MS: Final = 86_400_000
_WINDOW_DAYS: Final = (1, 4, 16, 64, 256)


class IdRange(NamedTuple):
    """A range of ids: from `floor` on, below `before`."""

    before: str
    floor: str


def id_range(
    kind: str,
    before: str | None,
    since: int | None,
    until: int | None,
    after: str | None = None,
) -> IdRange:
    """Return the range of ids that can hold what is asked for.

    `before` and `after` are ids, both exclusive; `since` and `until` instants in ms.
    """
    top = before or NEWEST
    if until is not None:
        top = min(top, id_floor(kind, until + SLACK_MS))
    floor = "" if since is None else id_floor(kind, since - SLACK_MS)
    if after:
        floor = max(floor, next_id(after))
    return IdRange(top, floor)


def next_id(id_: str) -> str:
    """Return the first text after an id: "0" is the smallest character of ids."""
    return id_ + "0"


def windows(kind: str, whole: IdRange, now: int) -> Iterator[IdRange]:
    """Yield a range in pieces, newest first, each longer than the one before.

    PostgreSQL has a partition a day. Most of what is looked for lies in the newest two, and then
    no statement has to name the others.
    """
    before, floor = whole
    for days in _WINDOW_DAYS:
        cut = id_floor(kind, now - days * _DAY_MS)
        if cut <= floor:
            break
        if cut < before:
            yield IdRange(before, cut)
            before = cut
    yield IdRange(before, floor)


def streak_start(failing_since: int) -> IdRange:
    """Return the attempts that can have begun a streak of failures whose first was settled then."""
    return IdRange(
        before=id_floor("att", failing_since + 1),
        floor=id_floor("att", failing_since - _SETTLED_WITHIN_MS),
    )


def sources(status: str | None) -> tuple[str, ...]:
    """Return the statements that step over deliveries of a status.

    A cancelled delivery stays in `pending` until its job has moved it.
    """
    if status == PENDING:
        return ("step_pending",)
    if status == FAILED:
        return ("step_undelivered",)
    if status == CANCELLED:
        return ("step_undelivered", "step_pending")
    return ("step_deliveries", "step_pending")


class Identified(Protocol):
    """An attempt or a delivery."""

    id: str


class LogScan(Generic[T]):
    """The progress of a scan that looks for `limit` rows, and one more to see if there are others.

    While it is not `over`, examine `size` rows below `before`, and `add` the result.
    """

    def __init__(
        self, before: str, limit: int, monotonic: Callable[[], float], *, first: int | None = None
    ) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._began = monotonic()
        self._ends = self._began + MAX_SECONDS
        self._examined = 0
        self._found: list[T] = []
        self._stopped_at: str | None = None
        self.before = before
        self.size = limit + 1 if first is None else min(limit + 1, first)
        """How many rows the next step examines. The first is enough when every row matches."""
        self.over = False

    @property
    def wanted(self) -> int:
        """How many more matches are of use."""
        return self._limit + 1 - len(self._found)

    def add(self, examined: int, oldest: str, found: Sequence[T]) -> None:
        """Add a step's matches, newest first; how many rows it examined, and the oldest's id."""
        self._found += found
        self._examined += examined
        self.before = oldest
        if self.wanted <= 0 or examined < self.size:
            self.over = True
            return
        now = self._monotonic()
        if self._examined >= MAX_ROWS or now >= self._ends:
            self._stopped_at = oldest
            self.over = True
            return
        self.size = next_size(examined, now - self._began)
        self._began = now

    def end(self) -> None:
        """There are no more rows."""
        self.over = True

    @property
    def kept(self) -> list[T]:
        """The matches that the page shows."""
        return self._found[: self._limit]

    def next(self, items: Sequence[Identified]) -> str | None:
        """Return where the next page begins, if there may be one; `items` are this page's."""
        return items[-1].id if len(self._found) > self._limit else self._stopped_at


def next_size(examined: int, seconds: float) -> int:
    """Return how many rows the next step examines, from how long this one took."""
    if seconds * STEP <= STEP_SECONDS * examined:
        return STEP
    return max(MIN_STEP, int(examined * STEP_SECONDS / seconds))
