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


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        """Wall time as milliseconds since 1970-01-01T00:00:00Z."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()
