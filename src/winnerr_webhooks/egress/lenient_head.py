"""Reads the head of a response leniently, as most HTTP clients do.

The status line decides about an attempt, so a faulty header line should cost the connection, but
not the attempt. Accepted are lines that end with a bare LF, folded lines, white space before a
colon, control characters in a value, and the same length given several times. The strict parser
reports all other faults.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?\n")
_END: Final = re.compile(rb"\n\r?\n")
_FOLD: Final = re.compile(rb"\r?\n[ \t]+")
"""A line fold, which a user agent replaces with spaces (RFC 9112, 5.2)."""
_LINE_END: Final = re.compile(rb"\r?\n")
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*(.*)", re.DOTALL)
_CONTROLS: Final = bytes(c if c not in b"\x7f" and (c >= 32 or c == 9) else 32 for c in range(256))  # noqa: PLR2004  ASCII
"""Replaces characters that a value must not contain with spaces (RFC 9110, 5.5)."""
_SWITCHING: Final = 101


class LenientHead(NamedTuple):
    """The head of a final response, as far as it has arrived."""

    status: int
    reason: bytes
    lines: list[bytes]
    """Header lines as `name: value` and CRLF."""
    faults: list[bytes]
    """Lines that are not header lines."""
    end: int
    """Where the body begins in the bytes read; 0 if the head has not ended."""


def canonical(raw: bytes, start: int) -> bytes:
    """Return `raw` with its head in the form the strict parser accepts; empty until the head ends.

    The search for the end begins at `start`, so that single bytes cost little. Faulty lines are
    kept, for the parser to report.
    """
    if not _END.search(raw, max(start - 2, 0)):
        return b""
    head = read_head(raw)
    if head is None or not head.end:
        return b""
    first = b"HTTP/1.1 %d %b\r\n" % (head.status, head.reason)
    return b"".join((first, *head.lines, *head.faults, b"\r\n", raw[head.end :]))


def read_head(raw: bytes) -> LenientHead | None:
    """Read the head of the final response in `raw`; None if its status line has not arrived.

    1xx responses before it are skipped (RFC 9110, 15.2), except 101, which switches to another
    protocol.
    """
    start = 0
    while line := _STATUS_LINE.match(raw, start):
        status = int(line[1])
        ended = _END.search(raw, line.end() - 1)
        if status >= 200:  # noqa: PLR2004  RFC 9110, 15.3
            end = ended.end() if ended else 0
            # A line counts only once it has ended.
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
