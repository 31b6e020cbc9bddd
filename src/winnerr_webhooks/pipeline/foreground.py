"""Foreground: whether calls are coming in now, and whose.

Work that no caller waits for (draining a backlog, storing a large batch) gives way to calls, so
it asks here how much of the node it may have.
"""

from collections.abc import Callable
from typing import Final

WINDOW: Final = 0.25
"""Seconds for which a call counts as coming in now."""


class Foreground:
    """Remembers the last call, and the last one of another organization than that."""

    __slots__ = ("_at", "_loop_time", "_organization", "_others_at")

    def __init__(self, loop_time: Callable[[], float]) -> None:
        self._loop_time = loop_time
        self._organization = ""
        self._at = float("-inf")
        self._others_at = float("-inf")

    def note(self, organization: str) -> None:
        """A call of this organization has come in."""
        if organization != self._organization:
            self._organization = organization
            self._others_at = self._at
        self._at = self._loop_time()

    @property
    def active(self) -> bool:
        """Whether any call came in lately."""
        return self._loop_time() - self._at <= WINDOW

    def others_than(self, organization: str) -> bool:
        """Whether a call of another organization than this one came in lately."""
        at = self._others_at if organization == self._organization else self._at
        return self._loop_time() - at <= WINDOW
