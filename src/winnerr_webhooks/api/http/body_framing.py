"""Where a request's body ends: after its Content-Length, or after the last chunk (RFC 9112, 6)."""

import re
from typing import Final

from winnerr_webhooks.domain.errors import HeadTooLarge, Malformed

_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")


class FixedLengthBody:
    """A body of a length that its head says."""

    __slots__ = ("is_complete", "left")

    def __init__(self, length: int) -> None:
        self.left = length
        """Bytes that are still to come."""
        self.is_complete = length == 0

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """Split received bytes into those of the body and those after it."""
        size = len(data)
        if size < self.left:
            self.left -= size
            return data, b""
        self.is_complete = True
        return data[: self.left], data[self.left :]


class ChunkedBody:
    """A body in chunks (RFC 9112, section 7.1). Chunk extensions and trailers are ignored."""

    __slots__ = ("_in_trailers", "_left", "_limit", "_line", "_overhead", "is_complete")

    def __init__(self, limit: int) -> None:
        """`limit`: bytes between two pieces of content, or after the last one, at most."""
        self._limit = limit
        self._left = 0
        """Bytes of this chunk that are still to come, its closing CRLF included."""
        self._line = b""
        """The beginning of a line whose end has not come."""
        self._overhead = 0
        self._in_trailers = False
        self.is_complete = False

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """Split received bytes into content and what comes after the body.

        Raises `Malformed`, or `HeadTooLarge` when trailers or extensions pass the limit.
        """
        content, at = [], 0
        while at < len(data) and not self.is_complete:
            if self._left > len(_CRLF):
                piece = data[at : at + self._left - len(_CRLF)]
                content.append(piece)
                at += len(piece)
                self._left -= len(piece)
                self._overhead = 0
                continue
            end = data.find(b"\n", at) + 1 or len(data)
            self._line += data[at:end]
            self._overhead += end - at
            at = end
            if self._overhead > self._limit:
                raise HeadTooLarge(
                    f"Chunk extensions or trailers have more than {self._limit // 1024} KiB."
                )
            if self._line.endswith(b"\n"):
                self._take_line()
        return b"".join(content), data[at:]

    def _take_line(self) -> None:
        line, self._line = self._line, b""
        if not line.endswith(_CRLF):
            raise Malformed("A line of the chunked body does not end with CRLF.")
        line = line[: -len(_CRLF)]
        if self._left:
            if line:
                raise Malformed("A chunk of the body is longer than its size says.")
            self._left = 0
        elif not self._in_trailers:
            size = _CHUNK_SIZE.fullmatch(line)
            if size is None:
                raise Malformed("A chunk of the body does not begin with its size.")
            length = int(size[1], 16)
            self._in_trailers = length == 0
            self._left = length + len(_CRLF) if length else 0
        elif not line:
            self.is_complete = True
        elif _TRAILER.fullmatch(line) is None:
            raise Malformed("A trailer line of the body is not a header line.")


class DiscardedBytes:
    """What a caller sends after an answer that ends its connection: dropped, without an end."""

    is_complete = False

    def decode(self, _data: bytes) -> tuple[bytes, bytes]:
        """Drop received bytes."""
        return b"", b""


_CRLF: Final = b"\r\n"
Body = FixedLengthBody | ChunkedBody | DiscardedBytes
