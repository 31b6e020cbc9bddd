"""The body of an answer as its reader would see it: without compression, in its own charset. Pure.

Receivers are asked for bodies without compression, and some compress nevertheless.
"""

import codecs
import re
from collections.abc import Sequence
from typing import Final

import msgspec

from winnerr_webhooks.domain.text import Text

MAX_DECODED: Final = 262_144
"""Bytes that are kept of a body when its compression is undone."""
_MOST_ENCODINGS: Final = 3
"""How many times a body may have been compressed."""
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
    """The compressions that were undone, the outermost first: `gzip`, `br`."""
    problem: Text | None = None
    """Why the body, or the rest of it, cannot be shown decoded."""
    is_cut: bool = False
    """Whether there was more than is undone: `MAX_DECODED`, and few streams after each other."""


def decode_body(
    raw: bytes, headers: Sequence[tuple[str, str]], *, truncated: bool = False
) -> DecodedBody:
    """Undo the compression of a body and decode its text, as its headers say.

    `truncated` says that the end of the body was not stored.
    """
    data, undone, problem, is_cut = _decompressed(raw, headers, truncated=truncated)
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


def _decompressed(
    raw: bytes, headers: Sequence[tuple[str, str]], *, truncated: bool
) -> tuple[bytes, tuple[str, ...], Text | None, bool]:
    applied = [
        encoding.strip().lower()
        for name, value in headers
        if name.lower() == "content-encoding"
        for encoding in value.split(",")
    ]
    wanted = [one for one in reversed(applied) if one not in {"", "identity"}]
    if not wanted:
        return raw, (), None, False
    from winnerr_webhooks.settings_page.content_encodings import (  # noqa: PLC0415  few need it
        KNOWN,
        End,
        decompress,
    )

    data, has_end, is_cut = raw, not truncated, False
    undone: list[str] = []
    problem = None
    for encoding in wanted:
        if encoding not in KNOWN or len(undone) == _MOST_ENCODINGS:
            problem = _UNKNOWN.fill(encoding=encoding[:40])
            break
        found, end = decompress(data, encoding, MAX_DECODED)
        is_broken = end is End.ERROR or (end is End.EARLY and has_end)
        # Brotli has no mark to be known by; but what is text is not compressed.
        if end in {End.EARLY, End.ERROR} and _is_text(data):
            problem = _NOT_COMPRESSED.fill(encoding=encoding)
            break
        if not found and end in {End.EARLY, End.ERROR}:
            problem = _NOT_COMPRESSED.fill(encoding=encoding) if is_broken else _TOO_LITTLE
            break
        data = found[:MAX_DECODED]
        undone.append(encoding)
        if is_broken:
            problem = _DAMAGED
            break
        if end is End.LIMIT:
            has_end, is_cut = False, True
    return data, tuple(undone), problem, is_cut


_UNKNOWN: Final = Text("The body is compressed with {encoding}, which is not undone here.")
_NOT_COMPRESSED: Final = Text("The headers say {encoding}, and the body is not.")
_TOO_LITTLE: Final = Text("Too little of the compressed body was stored to show any of it.")
_DAMAGED: Final = Text("The compressed body ends too early or is damaged.")


def _is_text(data: bytes) -> bool:
    """Whether all bytes are UTF-8, of which the last character may be cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return False
    return True


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
