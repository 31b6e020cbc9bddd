"""Deadlines, most of them of equal length: one queue and one timer for any number of these."""

import asyncio
from typing import Protocol


class Expirable(Protocol):
    """Something with a deadline."""

    def expire(self) -> None:
        """Called when the deadline has passed."""
        ...


class Deadlines:
    """Calls `expire` of each target `seconds` after it was added, unless it is discarded before.

    `asyncio.timeout` would cost a timer, a context manager and a cancellation each time. Deadlines
    of equal length end in the order they began. So an ordered dict is the queue, and only the
    oldest entry needs a timer. Precise to a few milliseconds, and never early. A deadline of
    another length has a timer of its own.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends: dict[Expirable, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._others: dict[Expirable, asyncio.TimerHandle] = {}
        """The timers of deadlines of another length."""

    def __len__(self) -> int:
        return len(self._ends) + len(self._others)

    def add(
        self, target: Expirable, loop: asyncio.AbstractEventLoop, seconds: float | None = None
    ) -> None:
        """Start the deadline of `target` now, unless it is already running.

        `seconds` is its length if that is another than usual.
        """
        if seconds is not None and seconds != self._seconds:
            if target not in self._others:
                self._others[target] = loop.call_later(seconds, self._expire_other, target)
            return
        self._ends.setdefault(target, loop.time() + self._seconds)
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._expire_due, loop)

    def discard(self, target: Expirable) -> None:
        """Drop the deadline of `target`, if there is one."""
        if self._others and (timer := self._others.pop(target, None)) is not None:
            timer.cancel()
        else:
            self._ends.pop(target, None)

    def close(self) -> None:
        """Drop all deadlines."""
        self._ends.clear()
        for timer in (self._timer, *self._others.values()):
            if timer is not None:
                timer.cancel()
        self._timer = None
        self._others.clear()

    def _expire_other(self, target: Expirable) -> None:
        del self._others[target]
        target.expire()

    def _expire_due(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        due = []
        for target, end in self._ends.items():
            if end > now:
                # A loop may count in whole milliseconds and call up to one too early.
                self._timer = loop.call_later(max(end - now, 0.001), self._expire_due, loop)
                break
            due.append(target)
        for target in due:
            del self._ends[target]
            target.expire()
