"""How received bytes are cut before they are parsed; a parser cannot be stopped in the middle."""

from collections.abc import Iterable
from typing import Final

PART: Final = 1024
"""Bytes that are parsed without a look at what is in them: one to four events, and never more
than some fifty requests, which are all taken then."""
_MAX_PART: Final = 16 * 1024
"""Bytes of a body or a head that are parsed at once."""
_BLANK: Final = b"\r\n\r\n"
"""What every head ends with, and little else has."""


def holds_one(data: bytes) -> bool:
    """Whether there is one whole head in this and nothing of another.

    Most JSON has no CR, and a search for one byte takes next to no time.
    """
    end = data.find(_BLANK)
    return end >= 0 and data.find(b"\r", end + len(_BLANK)) < 0


def part_end(data: bytes, start: int, *, most: int | None) -> int:
    """Where the part that begins at `start` ends; perhaps behind the end of all.

    `most` bytes may be taken when it begins in a head or a body; None: it begins between two
    requests. A body is not cut more often than needed: up to a next blank line there is at most
    one head more.
    """
    if most is None:
        return start + PART
    most = min(most, _MAX_PART)
    end = data.find(b"\r", start + PART - len(_BLANK), start + most)
    if end >= 0:
        end = data.find(_BLANK, end, start + most)
    return start + most if end < 0 else end + len(_BLANK)


def without_upgrade(
    method: bytes, url: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]
) -> bytes:
    """A request's head as if it had not asked for another protocol.

    A server may ignore Upgrade (RFC 9110, 7.8). llhttp does not: it takes what follows the head
    as the other protocol's, a body included.
    """
    lines = [b"%b %b HTTP/%b" % (method, url, version.encode())]
    for name, value in headers:
        if name == b"connection":
            options = [option.strip() for option in value.split(b",")]
            kept = b", ".join(option for option in options if option.lower() != b"upgrade")
            lines.append(b"connection: " + kept)
        elif name != b"upgrade":
            lines.append(b"%b: %b" % (name, value))
    return b"\r\n".join((*lines, b"", b""))
