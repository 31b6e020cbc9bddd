"""Shutdown: runs work with a time limit, and closes parts one after another.

A part that does not end in time does not block the stop: it is logged, and the others go on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

LEAST_SECONDS: Final = 0.1
"""Seconds that each part gets, even when those before it used up all the time."""

log = structlog.get_logger(__name__)


async def within(seconds: float, **work: Awaitable[object]) -> None:
    """Run all of these at once, for at most `seconds`; unfinished work is logged and goes on.

    Raises the error of a part that failed.
    """
    tasks = {asyncio.ensure_future(awaited): name for name, awaited in work.items()}
    done, late = await asyncio.wait(tasks, timeout=max(seconds, 0.0))
    for task in late:
        log.error("this did not stop in time", part=tasks[task])
    for task in done:
        task.result()


class Countdown:
    """Counts the seconds of a stop, from the first question on."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._began: float | None = None

    def left(self, seconds: float) -> float:
        """Return how many seconds are left of the first `seconds` of the stop."""
        if self._began is None:
            self._began = self._loop.time()
        return max(self._began + seconds - self._loop.time(), 0.0)


class ShutdownStack:
    """The parts to close at the end, last opened first."""

    def __init__(self) -> None:
        self._parts: list[tuple[str, Callable[[], Awaitable[None]]]] = []

    def add(self, name: str, close: Callable[[], Awaitable[None]]) -> None:
        """Add a part that was just opened."""
        self._parts.append((name, close))

    async def close(self, seconds: float) -> None:
        """Close all parts within `seconds`; one that fails or hangs does not keep others open."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while self._parts:
            name, close = self._parts.pop()
            try:
                await within(max(ends - loop.time(), LEAST_SECONDS), **{name: close()})
            except Exception:
                log.exception("this was not closed", part=name)
