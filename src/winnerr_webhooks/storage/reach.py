"""Looking back: which ids can hold what is asked for, and a search's way through them. Pure.

A step is a run of an index without holes, so a search that finds little still knows where it
stands: it stops after 50,000 rows or 2 s and its `next` is the last row examined.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from winnerr_webhooks.domain.delivery import CANCELLED, FAILED, PENDING
from winnerr_webhooks.ids import id_floor

T = TypeVar("T")

MOST_ROWS: Final = 50_000
MOST_SECONDS: Final = 2.0
STEP: Final = 500
SMALLEST_STEP: Final = 25
STEP_SECONDS: Final = 0.2
"""A step should not take longer: it is short where bodies are large."""
FIRST_TEXT_STEP: Final = 50
"""Of a search in bodies: how large they are is not known before."""
SLACK_MS: Final = 3_600_000
"""An id is made shortly before its row, by a clock that may be set back: ids narrow a range of
time by this much more, and the row's own instant decides."""
NEWEST: Final = "~"
"""Sorts after every id."""
_SETTLED_WITHIN_MS: Final = 5_000
"""An attempt is made this much before it is settled, at most; a later one is not named."""
_DAY_MS: Final = 86_400_000
_WINDOW_DAYS: Final = (1, 4, 16, 64, 256)


class Reach(NamedTuple):
    """A range of ids: from `floor` on, below `before`."""

    before: str
    floor: str


def reach(
    kind: str,
    before: str | None,
    since: int | None,
    until: int | None,
    after: str | None = None,
) -> Reach:
    """The range of ids that can hold what is asked for.

    `before` and `after` are ids, both exclusive; `since` and `until` instants in ms.
    """
    top = before or NEWEST
    if until is not None:
        top = min(top, id_floor(kind, until + SLACK_MS))
    floor = "" if since is None else id_floor(kind, since - SLACK_MS)
    if after:
        # "0" is the smallest character of an id, so this is the first text after it
        floor = max(floor, after + "0")
    return Reach(top, floor)


def windows(kind: str, whole: Reach, now: int) -> Iterator[Reach]:
    """A range in pieces, newest first, each longer than the one before.

    What lies in a partition a day is mostly found in the newest two of them; the others are then
    not even planned for.
    """
    before, floor = whole
    for days in _WINDOW_DAYS:
        cut = id_floor(kind, now - days * _DAY_MS)
        if cut <= floor:
            break
        if cut < before:
            yield Reach(before, cut)
            before = cut
    yield Reach(before, floor)


def run_start(failing_since: int) -> Reach:
    """Attempts among which the one is that began a run of failures settled from then on."""
    return Reach(
        before=id_floor("att", failing_since + 1),
        floor=id_floor("att", failing_since - _SETTLED_WITHIN_MS),
    )


def sources(status: str | None) -> tuple[str, ...]:
    """The steps over deliveries of a status. A cancelled one may wait for its job in `pending`."""
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


class Search(Generic[T]):
    """A walk for up to `limit` rows, and one more to see whether there are others.

    While not `over`, examine `size` rows below `before` and `add` what came of it.
    """

    def __init__(
        self, before: str, limit: int, monotonic: Callable[[], float], *, first: int | None = None
    ) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._began = monotonic()
        self._ends = self._began + MOST_SECONDS
        self._examined = 0
        self._found: list[T] = []
        self._stopped_at: str | None = None
        self.before = before
        self.size = limit + 1 if first is None else min(limit + 1, first)
        """A first step that is enough when everything matches, then longer ones."""
        self.over = False

    @property
    def wanted(self) -> int:
        """How many more are of use."""
        return self._limit + 1 - len(self._found)

    def add(self, examined: int, oldest: str, found: Sequence[T]) -> None:
        """Take a step's matches, newest first; of how many rows, and the oldest's id."""
        self._found += found
        self._examined += examined
        self.before = oldest
        if self.wanted <= 0 or examined < self.size:
            self.over = True
            return
        now = self._monotonic()
        if self._examined >= MOST_ROWS or now >= self._ends:
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
        """What the page shows."""
        return self._found[: self._limit]

    def next(self, items: Sequence[Identified]) -> str | None:
        """Where the next page begins, if there may be one; `items` are this page's."""
        return items[-1].id if len(self._found) > self._limit else self._stopped_at


def next_size(examined: int, took: float) -> int:
    """How many rows the next step should have, after one of so many took so many seconds."""
    if took * STEP <= STEP_SECONDS * examined:
        return STEP
    return max(SMALLEST_STEP, int(examined * STEP_SECONDS / took))
