"""The database's clock, as this node last read it."""

from typing import Final

from winnerr_webhooks.clock import Clock, ClockSkips

READ_EVERY: Final = 30.0
"""Seconds; a clock that is wrong by 100 ppm strays by 3 ms in that time."""
STRAYED_MS: Final = 1_000
"""When the node's own two clocks drift apart by more, the machine slept or its wall clock was set.
Then its monotonic clock may have missed time that passed for the database."""


class DatabaseClock:
    """A clock whose wall time is the database's, so that an instant means the same on all nodes.

    Between two readings it advances with the node's monotonic clock. The node's wall clock, which
    can be set at any moment, never moves it. A reading is accurate to half the time it took.
    """

    def __init__(self, clock: Clock, *, follow: bool = True) -> None:
        self._follow = follow
        self._clock = clock
        self._read_at = float("-inf")
        self.skips = ClockSkips()
        self.ahead_ms = 0.0
        """How far the node's wall clock was ahead of the database's at the last reading."""
        self._wall_origin = self._origin = self._origin_of_wall()

    def now_ms(self) -> int:
        """Wall time of the database as milliseconds since 1970-01-01T00:00:00Z."""
        return round(self._origin + self._clock.monotonic() * 1000)

    def monotonic(self) -> float:
        """Return seconds of the node's monotonic clock."""
        return self._clock.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether it is time for another reading."""
        return self._follow and (
            self._clock.monotonic() - self._read_at >= READ_EVERY
            or abs(self._origin_of_wall() - self._wall_origin) > STRAYED_MS
        )

    def read(self, database_ms: float, asked_at: float, answered_at: float) -> None:
        """Set the clock by a reading: the database's time, and when (monotonic) it was asked."""
        origin = database_ms - (asked_at + answered_at) / 2 * 1000
        if self._read_at > float("-inf"):
            self.skips.note(round(database_ms), origin - self._origin)
        self._read_at = answered_at
        self._origin = origin
        self._wall_origin = self._origin_of_wall()
        self.ahead_ms = self._wall_origin - origin

    def _origin_of_wall(self) -> float:
        """Return the wall time, by the node's clock, at which its monotonic clock was 0."""
        return self._clock.now_ms() - self._clock.monotonic() * 1000
