"""The Date header line of the answers (RFC 9110, section 6.6.1)."""

from collections.abc import Callable
from email.utils import formatdate


class DateHeader:
    """Formats the time once a second, and only while answers are sent: no timer wakes the service.

    `now_ms` returns milliseconds since 1970.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._second = -1
        self._line = b""

    def line(self) -> bytes:
        """Return the line for an answer that is sent now, with its line end."""
        second = self._now_ms() // 1000
        if second != self._second:
            self._second = second
            self._line = f"date: {formatdate(second, usegmt=True)}\r\n".encode()
        return self._line
