"""Poll intervals: how often a node that finds nothing asks the database whether there is work."""

from typing import Final, NamedTuple


class PollIntervals(NamedTuple):
    """Seconds between two polls that find nothing."""

    due: float
    """For deliveries that are due."""
    changes: float
    """For jobs and changed webhooks."""
    rehearsals: float
    """For rehearsals that were requested elsewhere, or that a dead node has left."""


SHARED: Final = PollIntervals(due=0.25, changes=1.0, rehearsals=5.0)
"""Other nodes make work due, and only polls find it."""
ALONE: Final = PollIntervals(due=5.0, changes=10.0, rehearsals=30.0)
"""Every verb that makes work due signals it inside this node, so it is found at once. Polls only
repair what a signal missed, and an idle service hardly uses the CPU."""


def poll_intervals(*, is_shared: bool) -> PollIntervals:
    """Return the intervals for a database that other nodes use too, or only this one."""
    return SHARED if is_shared else ALONE
