"""Remembers the head of a connection's last response, because the next one is often the same.

A receiver's heads differ only in their Date, once a second. So most responses begin with the same
bytes as the one before on the same connection, and need no parsing.
"""

from typing import Final, NamedTuple

MAX_CACHED_HEAD: Final = 2 * 1024
"""Longer heads are not kept, because there may be many idle connections."""


class CachedHead(NamedTuple):
    """The head of a response that came in one piece and left its connection reusable."""

    raw: bytes
    """From the status line to the blank line."""
    length: int
    """Length of the body in bytes; the head alone determines it."""
    status: int
    reason: bytes
    lines: bytes
    """The header lines, each `name: value` and CRLF."""

    def matches(self, data: bytes) -> bool:
        """Whether `data` is exactly one whole response with this head."""
        return len(data) == len(self.raw) + self.length and data.startswith(self.raw)


def cache_head(
    raw: bytes, length: int, status: int, reason: bytes, lines: bytes
) -> CachedHead | None:
    """Return the head to keep, or None if it is too long."""
    if len(raw) > MAX_CACHED_HEAD:
        return None
    return CachedHead(raw, length, status, reason, lines)
