"""Compressions of HTTP bodies: undone up to a limit, because a small body can become huge. Pure."""

import sys
import zlib
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

_CHUNK: Final = 1_024
"""Bytes that are given to a decompressor at once; an error loses what these would have become."""
_ZSTD_WINDOW_LOG: Final = 23
"""The largest window of the content encoding `zstd`: 8 MiB (RFC 9659)."""
_MOST_STREAMS: Final = 32
"""How many streams of a body are undone: an empty one has few bytes, so a body could have many."""


class End(Enum):
    """How the decompression of a body ended."""

    WHOLE = "whole"
    """All of it was undone."""
    LIMIT = "limit"
    """There was more than the limit, or there were more streams than are undone."""
    EARLY = "early"
    """The body ends before the compressed data do."""
    ERROR = "error"
    """The body, or what follows the part that was undone, is not compressed like this."""


class _Stream(Protocol):
    """One compressed stream; a body may have several, one after the other."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes:
        """What follows the stream in the last data that it was given."""
        ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


_StreamStart = Callable[[], _Stream]


def _zlib(window: int) -> _StreamStart:
    return lambda: zlib.decompressobj(window)


_ERRORS: tuple[type[Exception], ...] = (zlib.error,)
_STREAMS: Final[dict[str, tuple[_StreamStart, ...]]] = {
    "gzip": (_zlib(31),),
    "x-gzip": (_zlib(31),),
    "deflate": (_zlib(15), _zlib(-15)),
}
"""The kinds of streams to try: some servers send deflate without the frame of RFC 1950."""

# A build of Python may have no zstd, and a platform no wheel of brotli: the others work without.
try:
    import brotli
except ImportError:
    pass
else:

    class _Brotli:
        """A Brotli stream with the interface of those of the standard library."""

        unused_data: Final = b""  # a body has one stream (RFC 7932), so nothing may follow it

        def __init__(self) -> None:
            self._stream = brotli.Decompressor()

        @property
        def eof(self) -> bool:
            return bool(self._stream.is_finished())

        def decompress(self, data: bytes, max_length: int, /) -> bytes:
            # Its buffer grows until it is as large as the limit, and can be twice as large then.
            output: bytes = self._stream.process(data, output_buffer_limit=max_length)
            return output[:max_length]

    _ERRORS += (brotli.error,)
    _STREAMS["br"] = (_Brotli,)

try:
    if sys.version_info >= (3, 14):
        from compression.zstd import DecompressionParameter, ZstdDecompressor, ZstdError
    else:
        from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError
except ImportError:
    pass
else:

    def _zstd() -> _Stream:
        return ZstdDecompressor(options={DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})

    _ERRORS += (ZstdError,)
    _STREAMS["zstd"] = (_zstd,)

KNOWN: Final = frozenset(_STREAMS)
"""The content encodings that are undone."""


def decompress(data: bytes, encoding: str, limit: int) -> tuple[bytes, End]:
    """Undo one of the `KNOWN` encodings: at most a byte more than `limit`, and how it ended."""
    found, end = b"", End.WHOLE
    for start in _STREAMS[encoding]:
        found, end = _decompress(data, start, limit)
        if found or end is not End.ERROR:
            break
    return found, end


def _decompress(data: bytes, start: _StreamStart, limit: int) -> tuple[bytes, End]:
    found = bytearray()
    at = 0
    # A gzip file may have several members (RFC 1952, section 2.2), and so may zstd have frames.
    for _stream in range(_MOST_STREAMS):
        if at == len(data):
            return bytes(found), End.WHOLE
        stream = start()
        while not stream.eof:
            chunk = data[at : at + _CHUNK]
            if not chunk:
                return bytes(found), End.EARLY
            try:
                found += stream.decompress(chunk, limit + 1 - len(found))
            except _ERRORS:
                return bytes(found), End.ERROR
            if len(found) > limit:
                return bytes(found), End.LIMIT
            at += len(chunk) - len(stream.unused_data)
    return bytes(found), End.WHOLE if at == len(data) else End.LIMIT
