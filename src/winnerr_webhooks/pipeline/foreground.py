"""Foreground: whether calls are coming in now, and whose.

Work that no caller waits for (draining a backlog, storing a large batch) gives way to calls, and
asks here whether there are any.
"""

from collections.abc import Callable
from typing import Final

WINDOW: Final = 0.25
"""Seconds for which a call counts as coming in now."""


class Foreground:
    """Remembers the last call, and the last call of any other organization."""

    __slots__ = ("_at", "_loop_time", "_organization", "_others_at")

    def __init__(self, loop_time: Callable[[], float]) -> None:
        self._loop_time = loop_time
        self._organization = ""
        self._at = float("-inf")
        self._others_at = float("-inf")

    def note(self, organization: str) -> None:
        """Note a call of this organization."""
        if organization != self._organization:
            self._organization = organization
            self._others_at = self._at
        self._at = self._loop_time()

    @property
    def active(self) -> bool:
        """Whether a call came in within the last WINDOW seconds."""
        return self._loop_time() - self._at <= WINDOW

    def others_than(self, organization: str) -> bool:
        """Whether a call of any other organization came in within the last WINDOW seconds."""
        at = self._others_at if organization == self._organization else self._at
        return self._loop_time() - at <= WINDOW
