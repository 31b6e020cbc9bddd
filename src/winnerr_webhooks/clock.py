"""Time, read in one place and passed to whoever needs it.

Two clocks, never mixed: `now_ms` is wall time (what people read, what rows carry) and may
jump; `monotonic` measures durations and deadlines and never does.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """Both clocks; a test passes one that it moves by hand."""

    def now_ms(self) -> int:
        """Wall time as milliseconds since 1970-01-01T00:00:00Z."""
        ...

    def monotonic(self) -> float:
        """Seconds of the monotonic clock; only differences mean something."""
        ...


def cpu_seconds() -> float:
    """Seconds of CPU time that this process has used; only differences mean something."""
    return time.process_time()


class ClockSkips:
    """How far a wall clock was set forward, and when: time that no one lived through.

    A rule about how long something lasted subtracts it. A machine that slept counts as one whose
    clock was set.
    """

    LEAST_MS = 60_000
    """A smaller step is a clock that is kept right."""

    def __init__(self) -> None:
        self._steps: list[tuple[int, int]] = []

    def note(self, now_ms: int, step_ms: float) -> None:
        """The clock was set to `now_ms`, by `step_ms`."""
        if step_ms >= self.LEAST_MS:
            self._steps.append((now_ms, round(step_ms)))

    def since(self, ms: int) -> int:
        """Milliseconds skipped since the instant `ms`."""
        return sum(step for at, step in self._steps if at > ms)


class SteadyClock:
    """Another clock, whose wall time goes on evenly when that one is set back.

    For rows that say when something is due: they must not wait an hour longer because the
    machine's clock was an hour fast. When it is set forward, this one follows, and goes on from
    there: what came due by that hour is due, whatever becomes of it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._origin = clock.now_ms() - clock.monotonic() * 1000
        self.skips = ClockSkips()

    def now_ms(self) -> int:
        """Wall time as milliseconds since 1970-01-01T00:00:00Z; never smaller than before."""
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
    """The machine's clocks."""

    def now_ms(self) -> int:
        """Wall time as milliseconds since 1970-01-01T00:00:00Z."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()
