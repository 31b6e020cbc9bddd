"""Compressions of HTTP bodies: undone up to a limit, because a small body can become huge. Pure."""

import sys
import zlib
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final, Protocol

import brotli

if sys.version_info >= (3, 14):
    from compression.zstd import DecompressionParameter, ZstdDecompressor, ZstdError
else:
    from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

_CHUNK: Final = 1_024
"""Bytes that are given to a decompressor at once; an error loses what these would have become."""
_ZSTD_WINDOW_LOG: Final = 23
"""The largest window of the content encoding `zstd`: 8 MiB (RFC 9659)."""
_ERRORS: Final = (zlib.error, brotli.error, ZstdError)


class End(Enum):
    """How the decompression of a body ended."""

    WHOLE = "whole"
    """All of it was undone."""
    LIMIT = "limit"
    """There was more than the limit."""
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


def _zlib(window: int) -> Callable[[], _Stream]:
    return lambda: zlib.decompressobj(window)


def _zstd() -> _Stream:
    return ZstdDecompressor(options={DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})


_STREAMS: Final[Mapping[str, tuple[Callable[[], _Stream], ...]]] = {
    "gzip": (_zlib(31),),
    "x-gzip": (_zlib(31),),
    "deflate": (_zlib(15), _zlib(-15)),
    "br": (_Brotli,),
    "zstd": (_zstd,),
}
"""The kinds of streams to try: some servers send deflate without the frame of RFC 1950."""
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


def _decompress(data: bytes, start: Callable[[], _Stream], limit: int) -> tuple[bytes, End]:
    found = bytearray()
    while data:  # a gzip file may have several members (RFC 1952, section 2.2), so may zstd
        stream = start()
        for at in range(0, len(data), _CHUNK):
            try:
                found += stream.decompress(data[at : at + _CHUNK], limit + 1 - len(found))
            except _ERRORS:
                return bytes(found), End.ERROR
            if len(found) > limit:
                return bytes(found), End.LIMIT
            if stream.eof:
                data = stream.unused_data + data[at + _CHUNK :]
                break
        else:
            return bytes(found), End.EARLY
    return bytes(found), End.WHOLE
