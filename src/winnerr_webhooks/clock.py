"""The clocks. This is the only module that reads the time; others get a `Clock` passed in.

There are two clocks, which must not be mixed. `now_ms` is wall-clock time, which people read and
rows store; it may jump. `monotonic` measures durations and deadlines, and never jumps.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """Both clocks. Tests pass one that they move by hand."""

    def now_ms(self) -> int:
        """Return wall-clock time in milliseconds since 1970-01-01T00:00:00Z."""
        ...

    def monotonic(self) -> float:
        """Return seconds of the monotonic clock; only differences are meaningful."""
        ...


def cpu_seconds() -> float:
    """Return the CPU time of this process in seconds; only differences are meaningful."""
    return time.process_time()


class ClockSkips:
    """Remembers when a wall clock was set forward, and by how much.

    Rules about how long something lasted subtract that time, which never passed. A machine that
    slept counts as one whose clock was set forward.
    """

    LEAST_MS = 60_000
    """Smaller steps are ignored: they come from keeping the clock synchronized."""

    def __init__(self) -> None:
        self._steps: list[tuple[int, int]] = []

    def note(self, now_ms: int, step_ms: float) -> None:
        """Remember that the clock was set forward by `step_ms`, to `now_ms`."""
        if step_ms >= self.LEAST_MS:
            self._steps.append((now_ms, round(step_ms)))

    def since(self, ms: int) -> int:
        """Return the milliseconds that were skipped since the wall-clock time `ms`."""
        return sum(step for at, step in self._steps if at > ms)


class SteadyClock:
    """Wraps a clock so that its wall-clock time never goes back.

    When the wrapped clock is set back, this one continues evenly. So a delivery does not wait an
    hour longer because the machine's clock was an hour fast. When the wrapped clock is set forward,
    this one follows and continues from there.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._origin = clock.now_ms() - clock.monotonic() * 1000
        self.skips = ClockSkips()

    def now_ms(self) -> int:
        """Return wall-clock time in milliseconds since 1970-01-01T00:00:00Z; it never goes back."""
        wall = self._clock.now_ms()
        elapsed = self._clock.monotonic() * 1000
        if wall > self._origin + elapsed:
            self.skips.note(wall, wall - self._origin - elapsed)
            self._origin = wall - elapsed
            return wall
        return round(self._origin + elapsed)

    def monotonic(self) -> float:
        """Seconds of the monotonic clock."""
        return self._clock.monotonic()


class SystemClock:
    """The clocks of the machine."""

    def now_ms(self) -> int:
        """Return wall-clock time in milliseconds since 1970-01-01T00:00:00Z."""
        return time.time_ns() // 1_000_000

    monotonic = staticmethod(time.monotonic)
    """Return seconds of the monotonic clock. It is asked seven times an event."""
