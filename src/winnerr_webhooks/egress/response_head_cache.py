"""Heads of answers that were parsed before: the same bytes mean the same again.

A receiver's answers differ in their Date once a second, and otherwise hardly ever. So most of
them need no parser: their first bytes are those of the answer before on the same connection.
"""

from typing import Final, NamedTuple

MAX_KNOWN: Final = 2 * 1024
"""Bytes of a head that are kept: idle connections are many."""


class CachedHead(NamedTuple):
    """The head of an answer that came whole, at once, and left its connection good."""

    raw: bytes
    """From the status line to the blank line."""
    length: int
    """Bytes of the body, which the head alone says."""
    status: int
    reason: bytes
    lines: bytes
    """The header lines, as a connection keeps them."""

    def is_of(self, data: bytes) -> bool:
        """Whether these bytes are one whole answer with this head, and nothing else."""
        return len(data) == len(self.raw) + self.length and data.startswith(self.raw)


def known_head(
    raw: bytes, length: int, status: int | None, reason: bytes, lines: bytes
) -> CachedHead | None:
    """Keep a head, unless it is too long to be kept."""
    if status is None or len(raw) > MAX_KNOWN:
        return None
    return CachedHead(raw, length, status, reason, lines)
