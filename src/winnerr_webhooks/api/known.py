"""Heads of plain calls that were parsed before: the same bytes mean the same again.

A caller's calls differ in their body's length, and otherwise hardly ever: so most heads need no
parser. Whether their key still works is asked anew each time.
"""

from typing import Final, NamedTuple

MAX_KNOWN: Final = 1024
"""Bytes of a head that are kept."""
MOST_KNOWN: Final = 2048
"""Heads kept; then all go, and those in use come back with their next call."""
_BLANK: Final = b"\r\n\r\n"


class KnownHead(NamedTuple):
    """What a plain call says in its head."""

    key: bytes
    """Its Authorization header."""
    length: int
    """Bytes of its body."""


class KnownHeads:
    """The heads of a process, by their bytes."""

    def __init__(self, start: bytes) -> None:
        """Keep heads that begin with `start`, a request line."""
        self._start = start
        self._heads: dict[bytes, KnownHead] = {}

    def find(self, data: bytes) -> tuple[KnownHead, bytes] | None:
        """The known head of what came, and the body; None unless that is one whole known call."""
        end = data.find(_BLANK) + len(_BLANK)
        head = self._heads.get(data[:end])
        if head is None or len(data) != end + head.length:
            return None
        return head, data[end:]

    def keep(self, data: bytes, head: KnownHead) -> None:
        """Keep the head of a call that came at once, was parsed, and proved to be plain.

        Whatever else might be in `data` shows: then its first blank line is elsewhere.
        """
        end = len(data) - head.length
        raw = data[: max(end, 0)]
        if (
            end <= MAX_KNOWN
            and raw.startswith(self._start)
            and raw.find(_BLANK) + len(_BLANK) == end
            and raw.count(b"\n") == raw.count(b"\r\n")
        ):
            if len(self._heads) >= MOST_KNOWN:
                self._heads.clear()
            self._heads[raw] = head
