"""The database's clock, as this node last read it."""

from typing import Final

from winnerr_webhooks.clock import Clock, SteadyClock

READ_EVERY: Final = 30.0
"""Seconds; a clock that is off by 100 ppm strays by 3 ms in that time."""


class DatabaseClock:
    """A clock whose wall time is the database's, so that all nodes mean the same instant.

    Between two readings it goes on with the node's monotonic clock. A reading is good to half
    the time it took.
    """

    def __init__(self, clock: Clock, *, follow: bool = True) -> None:
        self._follow = follow
        self._clock = SteadyClock(clock)
        self._ahead = 0
        self._read_at = float("-inf")

    def now_ms(self) -> int:
        """Wall time of the database as milliseconds since 1970-01-01T00:00:00Z."""
        return self._clock.now_ms() + self._ahead

    def monotonic(self) -> float:
        """Seconds of the node's monotonic clock."""
        return self._clock.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether it is time for another reading."""
        return self._follow and self._clock.monotonic() - self._read_at >= READ_EVERY

    def read(self, database_ms: float, asked_at: float, answered_at: float) -> None:
        """Take a reading: what the database said, and when (monotonic) it was asked."""
        self._read_at = answered_at
        middle = (
            self._clock.now_ms() - (self._clock.monotonic() - (asked_at + answered_at) / 2) * 1000
        )
        self._ahead = round(database_ms - middle)
