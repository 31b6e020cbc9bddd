"""Finds out where a response ends, which the parser does not report exactly."""

from collections.abc import Iterable


def has_length(lines: Iterable[bytes]) -> bool:
    """Whether the headers determine where the body ends; otherwise the connection's end does."""
    for line in lines:
        name, _, value = line.lower().partition(b": ")
        if name == b"content-length":
            return True
        if name == b"transfer-encoding" and value.rstrip().endswith(b"chunked"):
            return True
    return False


def ends_with_chunks(data: bytes) -> bool:
    """Whether `data` ends exactly with the last chunk, and no blank lines follow it."""
    return data.endswith(b"\r\n\r\n") and data[-5:-4] not in (b"", b"\r", b"\n")


def ends_with_body(before: bytes, data: bytes, heads: int, length: int) -> bool:
    """Whether `data`, received after `before`, ends exactly where the response ends.

    `data` has the ends of `heads` heads, then `length` bytes of body. The parser reports extra
    bytes except CR and LF, which it accepts as blank lines before the next response.
    """
    if not heads:
        return length == len(data)
    data = before + data
    end = 0
    for _ in range(heads):
        end = data.find(b"\r\n\r\n", end) + 4
    return end + length == len(data)
