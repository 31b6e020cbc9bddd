"""The head of an answer that the strict parser refuses, read as clients commonly read it.

An answer counts by its status line, so a fault in a header line costs the connection and not the
attempt. Read here are lines that end with a bare LF, folded lines, white space before a colon,
control characters in a value, and one length given several times. What remains wrong is left to
the strict parser to name.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?\n")
_END: Final = re.compile(rb"\n\r?\n")
_FOLD: Final = re.compile(rb"\r?\n[ \t]+")
"""RFC 9112, 5.2: a user agent replaces it with spaces."""
_LINE_END: Final = re.compile(rb"\r?\n")
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*(.*)", re.DOTALL)
_CONTROLS: Final = bytes(c if c not in b"\x7f" and (c >= 32 or c == 9) else 32 for c in range(256))  # noqa: PLR2004  ASCII
"""RFC 9110, 5.5: what must not be in a value is replaced with a space."""
_SWITCHING: Final = 101


class LenientHead(NamedTuple):
    """The head of a final answer, or what has come of it after the status line."""

    status: int
    reason: bytes
    lines: list[bytes]
    """Header lines as `name: value` and CRLF."""
    faults: list[bytes]
    """Lines that are none."""
    end: int
    """Where the body begins in the bytes read; 0: the head has not ended."""


def canonical(raw: bytes, start: int) -> bytes:
    """`raw`, with its head as the strict parser wants it; empty until the head has ended.

    Searched for its end from `start` on, so that bytes that come one by one cost little. The
    parser stumbles over what is still wrong.
    """
    if not _END.search(raw, max(start - 2, 0)):
        return b""
    head = read_head(raw)
    if head is None or not head.end:
        return b""
    first = b"HTTP/1.1 %d %b\r\n" % (head.status, head.reason)
    return b"".join((first, *head.lines, *head.faults, b"\r\n", raw[head.end :]))


def read_head(raw: bytes) -> LenientHead | None:
    """The head of the final answer in `raw`; None when its status line has not come.

    Interim answers before it are passed over (RFC 9110, 15.2), except 101, after which another
    protocol would be spoken.
    """
    start = 0
    while line := _STATUS_LINE.match(raw, start):
        status = int(line[1])
        ended = _END.search(raw, line.end() - 1)
        if status >= 200:  # noqa: PLR2004  RFC 9110, 15.3
            end = ended.end() if ended else 0
            # A line that has not ended is no line yet.
            last = ended.start() if ended else raw.rfind(b"\n")
            fields = _FOLD.sub(b" ", raw[line.end() : max(last, line.end())])
            lines, faults = _read_lines(_LINE_END.split(fields))
            reason = (line[2] or b"").translate(_CONTROLS)
            return LenientHead(status, reason, lines, faults, end)
        if status == _SWITCHING or ended is None:
            return None
        start = ended.end()
    return None


def _read_lines(found: Iterable[bytes]) -> tuple[list[bytes], list[bytes]]:
    lines: list[bytes] = []
    faults: list[bytes] = []
    for line in found:
        field = _FIELD.match(line)
        if field is None:
            faults += [line + b"\r\n"] if line else []
            continue
        name, value = field[1], field[2].translate(_CONTROLS).strip()
        is_length = name.lower() == b"content-length"
        if is_length:  # RFC 9110, 8.6: one length, repeated, may be taken as that length
            value = b", ".join(dict.fromkeys(part.strip() for part in value.split(b",")))
        taken = b"%b: %b\r\n" % (b"Content-Length" if is_length else name, value)
        if not (is_length and taken in lines):
            lines.append(taken)
    return lines, faults
