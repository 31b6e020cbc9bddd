"""Where an answer ends, as far as the parser does not say."""

from collections.abc import Iterable


def has_length(lines: Iterable[bytes]) -> bool:
    """Whether header lines say where the body ends; else the connection's end does."""
    for line in lines:
        name, _, value = line.lower().partition(b": ")
        if name == b"content-length":
            return True
        if name == b"transfer-encoding" and value.rstrip().endswith(b"chunked"):
            return True
    return False


def ends_with_chunks(data: bytes) -> bool:
    """Whether the last bytes received are the last chunk's own; blank lines may follow it."""
    return data.endswith(b"\r\n\r\n") and data[-5:-4] not in (b"", b"\r", b"\n")


def ends_with_body(before: bytes, data: bytes, heads: int, length: int) -> bool:
    """Whether `data`, received after `before`, ends where the answer does, to the byte.

    It holds the ends of `heads` heads, then `length` bytes of the body. The parser reports any
    surplus but CR and LF, which it takes as blank lines before a next answer; those show in where
    the headers end.
    """
    if not heads:
        return length == len(data)
    data = before + data
    end = 0
    for _ in range(heads):
        end = data.find(b"\r\n\r\n", end) + 4
    return end + length == len(data)
