"""Deadlines that are all equally long: one queue and one timer for any number of them."""

import asyncio
from typing import Protocol


class Expires(Protocol):
    """Something that can run out of time."""

    def expire(self) -> None:
        """Give up now."""
        ...


class Deadlines:
    """Whatever is added expires `seconds` later, unless it is discarded before.

    `asyncio.timeout` costs a timer, a context manager and a cancellation each time. Equal
    deadlines end in the order they began, so a dict (which keeps that order) is the queue, and
    only the oldest needs a timer. Precise to a few milliseconds, never early.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends: dict[Expires, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, target: Expires, loop: asyncio.AbstractEventLoop) -> None:
        """Start the time of `target` now, unless it runs already."""
        self._ends.setdefault(target, loop.time() + self._seconds)
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._ring, loop)

    def discard(self, target: Expires) -> None:
        """Forget `target`, if it is here."""
        self._ends.pop(target, None)

    def close(self) -> None:
        """Forget all of them."""
        self._ends.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        due = []
        for target, end in self._ends.items():
            if end > now:
                # A loop may count in whole milliseconds and ring one early.
                self._timer = loop.call_later(max(end - now, 0.001), self._ring, loop)
                break
            due.append(target)
        for target in due:
            del self._ends[target]
            target.expire()
