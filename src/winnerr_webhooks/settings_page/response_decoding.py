"""The body of an answer as its reader would see it: without compression, in its own charset. Pure.

Receivers are asked for bodies without compression, and some compress nevertheless.
"""

import codecs
import re
import zlib
from collections.abc import Sequence
from typing import Final

import msgspec

from winnerr_webhooks.domain.text import Text

MAX_DECODED: Final = 262_144
"""Bytes that are kept of a body when its compression is undone."""
_MOST_ENCODINGS: Final = 3
"""How many times a body may have been compressed."""
_CHUNK: Final = 1_024
_CHARSET: Final = re.compile(rb"""charset\s*=\s*["']?([\w.:-]{1,40})""", re.ASCII | re.IGNORECASE)
_META_BYTES: Final = 1_024
"""How far into a page a browser looks for its charset (WHATWG HTML, section 13.2.3.2)."""
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CODECS: Final = {
    "utf8": "utf-8",
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "latin1": "cp1252",
    "iso-8859-1": "cp1252",
    "utf-16": "utf-16-le",
    "gb2312": "gbk",
    "shift-jis": "shift_jis",
} | {
    name: name
    for name in (
        *("utf-8", "utf-16le", "utf-16be", "macintosh", "koi8-r", "koi8-u", "shift_jis"),
        *("euc-jp", "iso-2022-jp", "euc-kr", "gbk", "gb18030", "big5"),
        *(f"iso-8859-{number}" for number in (*range(2, 9), 10, 13, 14, 15, 16)),
        *(f"windows-{number}" for number in range(1250, 1259)),
    )
}
"""Python's codec for each label of a charset that is known (WHATWG Encoding, section 4.2)."""


class DecodedBody(msgspec.Struct, frozen=True, kw_only=True):
    """A body as text, and what was done for it."""

    data: bytes
    """The bytes without compression, at most `MAX_DECODED`."""
    text: str
    """Bytes that the charset does not have are U+FFFD."""
    charset: str
    """The charset of the text, in lower case: `utf-8`."""
    encodings: tuple[str, ...] = ()
    """The compressions that were undone, the outermost first: `gzip`, `deflate`."""
    problem: Text | None = None
    """Why the body, or the rest of it, cannot be shown decoded."""
    is_cut: bool = False
    """Whether there was more than `MAX_DECODED`."""


def decode_body(
    raw: bytes, headers: Sequence[tuple[str, str]], *, truncated: bool = False
) -> DecodedBody:
    """Undo the compression of a body and decode its text, as its headers say.

    `truncated` says that the end of the body was not stored.
    """
    data, undone, problem, is_cut = _inflated(raw, headers, truncated=truncated)
    charset, codec, skipped = _charset_of(data, headers)
    ends = not (truncated or is_cut)
    text = codecs.getincrementaldecoder(codec)("replace").decode(data[skipped:], final=ends)
    return DecodedBody(
        data=data,
        text=text,
        charset=charset,
        encodings=undone,
        problem=problem,
        is_cut=is_cut,
    )


def _inflated(
    raw: bytes, headers: Sequence[tuple[str, str]], *, truncated: bool
) -> tuple[bytes, tuple[str, ...], Text | None, bool]:
    applied = [
        encoding.strip().lower()
        for name, value in headers
        if name.lower() == "content-encoding"
        for encoding in value.split(",")
    ]
    wanted = [one for one in reversed(applied) if one not in {"", "identity"}]
    data, is_cut = raw, False
    undone: list[str] = []
    for encoding in wanted:
        if encoding not in _WINDOWS or len(undone) == _MOST_ENCODINGS:
            problem = Text("The body is compressed with {encoding}, which is not undone here.")
            return data, tuple(undone), problem.fill(encoding=encoding[:40]), is_cut
        found, is_whole = _inflate(data, _WINDOWS[encoding])
        if not found and data:
            problem = Text("The headers say {encoding}, and the body is not.", encoding=encoding)
            return data, tuple(undone), problem, is_cut
        is_cut = len(found) > MAX_DECODED
        undone.append(encoding)
        data = found[:MAX_DECODED]
        if not is_whole and not is_cut:
            if truncated:
                return data, tuple(undone), None, is_cut
            problem = Text("The compressed body ends too early or is damaged.")
            return data, tuple(undone), problem, is_cut
    return data, tuple(undone), None, is_cut


_WINDOWS: Final = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}
"""The window sizes to try: some servers send deflate without the frame of RFC 1950."""


def _inflate(data: bytes, windows: Sequence[int]) -> tuple[bytes, bool]:
    """Decompress at most a byte more than `MAX_DECODED`; and whether that is all."""
    found = b""
    for window in windows:
        found, is_whole = _inflate_as(data, window)
        if found or is_whole:
            return found, is_whole
    return found, False


def _inflate_as(data: bytes, window: int) -> tuple[bytes, bool]:
    found = bytearray()
    while data:  # a gzip file may have several members (RFC 1952, section 2.2)
        stream = zlib.decompressobj(window)
        for at in range(0, len(data), _CHUNK):
            try:
                found += stream.decompress(
                    stream.unconsumed_tail + data[at : at + _CHUNK], MAX_DECODED + 1 - len(found)
                )
            except zlib.error:
                return bytes(found), False
            if len(found) > MAX_DECODED:
                return bytes(found), False
            if stream.eof:
                data = stream.unused_data + data[at + _CHUNK :]
                break
        else:
            return bytes(found), False
    return bytes(found), True


def _charset_of(data: bytes, headers: Sequence[tuple[str, str]]) -> tuple[str, str, int]:
    """The name of the charset, its codec, and the length of the mark before the text."""
    for mark, codec in _BOMS:
        if data.startswith(mark):
            return codec.removesuffix("-le").removesuffix("-be"), codec, len(mark)
    content_type = next((value for name, value in headers if name.lower() == "content-type"), "")
    found = _CHARSET.search(content_type.encode("utf-8", "replace"))
    if found is None and "html" in content_type.lower():
        found = _CHARSET.search(data[:_META_BYTES])
    label = found[1].decode().lower() if found else "utf-8"
    if label in _CODECS:
        return label, _CODECS[label], 0
    return "utf-8", "utf-8", 0
