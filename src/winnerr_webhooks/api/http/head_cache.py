"""Heads of earlier requests by their bytes, so that equal bytes need not be parsed again.

The calls of one caller differ in the length of their body, and otherwise hardly ever. Whether
their key still works is checked for each call (docs/adr/0014).
"""

from typing import Final, NamedTuple

from winnerr_webhooks.api.http.request_head import END_OF_HEAD

MAX_HEAD: Final = 1024
"""Bytes of a head that is kept."""
MAX_HEADS: Final = 2048
"""Heads that are kept. One more empties the cache, and those in use return with their next call."""


class CachedHead(NamedTuple):
    """What the head of an event's call says."""

    key: bytes
    """The value of its Authorization header."""
    length: int
    """Bytes of its body."""


class HeadCache:
    """The heads that one process has parsed."""

    def __init__(self) -> None:
        self._heads: dict[bytes, CachedHead] = {}

    def find(self, data: bytes) -> tuple[CachedHead, bytes] | None:
        """The cached head that `data` begins with, and the body after it.

        None unless `data` is exactly one whole request with a head that is cached.
        """
        end = data.find(END_OF_HEAD) + len(END_OF_HEAD)
        head = self._heads.get(data[:end])
        if head is None or len(data) != end + head.length:
            return None
        return head, data[end:]

    def keep(self, raw: bytes, head: CachedHead) -> None:
        """Keep a head that was parsed from `raw`: all bytes up to its blank line, and no others."""
        if len(raw) <= MAX_HEAD:
            if len(self._heads) >= MAX_HEADS:
                self._heads.clear()
            self._heads[raw] = head
