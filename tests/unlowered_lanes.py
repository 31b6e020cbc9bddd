"""Notices that a storage on PostgreSQL left a lane for `repair`.

Such a storage makes a delivery due in two steps: its transaction commits, and then a statement
lowers the lane of its webhook. When this second step takes longer than a caller may wait, the
storage logs it and leaves the lane to `repair`, which every node runs each minute. Then the next
claim finds nothing. Tests have no node that repairs, so `World` repairs for them; see there.
"""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

MESSAGE = "lanes were not lowered"


class UnloweredLanes:
    """A processor of structlog that remembers whether a storage has logged `MESSAGE`."""

    def __init__(self) -> None:
        self._seen = False

    def __call__(
        self, _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Pass on a log event. A lane that was not lowered because of a fault is an error here."""
        if event["event"] == MESSAGE:
            assert "reason" in event, "a statement that lowers lanes has failed"
            self._seen = True
        return event

    def take(self) -> bool:
        """Return whether there was one since the last call."""
        seen, self._seen = self._seen, False
        return seen


@contextmanager
def watch_unlowered_lanes() -> Iterator[UnloweredLanes]:
    """Look at what is logged in a block."""
    watch = UnloweredLanes()
    processors = structlog.get_config()["processors"]
    processors.insert(0, watch)
    try:
        yield watch
    finally:
        processors.remove(watch)
