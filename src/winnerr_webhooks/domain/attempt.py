"""An attempt: one HTTP request of a delivery, and what came of it."""

import msgspec

ERROR_KINDS = ("dns", "blocked", "connect", "tls", "timeout", "reset", "protocol", "status")
"""Every `error.kind` there is (CONTRACT, Logs)."""

PHASES = ("dns", "connect", "tls", "send", "wait", "body")
"""Where in an exchange a failure fell."""


class Timings(msgspec.Struct, kw_only=True, gc=False):
    """Milliseconds of each phase; None: it did not happen (a reused connection)."""

    dns_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    first_byte_ms: float | None = None
    """From the request's last byte sent to the answer's first byte."""
    reconnected: bool = False
    """A reused connection turned out dead and the request was sent again on a fresh one."""


class Failure(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why an exchange got no usable answer."""

    kind: str
    """One of ERROR_KINDS, but never `status`: that is for the verdict to say."""
    message: str
    """Plain words; never a resolved address of a refused destination."""
    phase: str
    """One of PHASES."""
    code: str = ""
    """A stable word for diagnosis: `nxdomain`, `refused`, `unreachable`, `expired`,
    `self_signed`, `wrong_host`, `unknown_ca`, `bad_status_line`, `headers_too_large`, …"""


class Exchange(msgspec.Struct, kw_only=True, gc=False):
    """What one HTTP exchange came to: an answer, or a failure, or both.

    Both: the answer's body broke off after the status, which counts as the answer.
    """

    started_at: int
    """Wall time in ms."""
    duration_ms: float
    timings: Timings
    status: int | None = None
    reason: str = ""
    response_head: bytes = b""
    """Header lines as `name: value\\r\\n…`, the status line left out."""
    response_body: bytes = b""
    """At most 16 KiB, as received."""
    truncated: bool = False
    """The body had more than was kept, or broke off."""
    failure: Failure | None = None


class AttemptRecord(msgspec.Struct, kw_only=True, gc=False):
    """An attempt as it is written to the log."""

    id: str
    outcome: str
    """`succeeded` or `failed`."""
    url: str
    request_head: bytes
    """The request's line and headers, exactly as sent, without the blank line."""
    exchange: Exchange
    error_kind: str | None = None
    error_message: str = ""
    error_code: str = ""


class LoggedAttempt(msgspec.Struct, kw_only=True, gc=False):
    """An attempt as it is read from the log."""

    id: str
    organization: str
    delivery_id: str
    event_id: str
    webhook_id: str
    event: str
    attempt: int
    trigger: str
    outcome: str
    started_at: int
    duration_ms: float
    timings: Timings
    url: str
    request_head: bytes
    request_body: bytes
    """Empty in a list."""
    status: int | None
    reason: str
    response_head: bytes
    response_body: bytes
    """In a list its first 1 KiB, and only of a failure: enough to diagnose it."""
    truncated: bool
    error_kind: str | None
    error_message: str
    error_code: str
    error_phase: str
    delivery_status: str
    """The delivery's now: `pending`, `delivered`, `failed` or `cancelled`."""
    next_attempt_at: int | None
