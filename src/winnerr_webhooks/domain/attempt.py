"""An attempt: one HTTP request of a delivery, and its result."""

import re

import msgspec

ERROR_KINDS = (
    "dns", "blocked", "connect", "tls", "timeout", "reset", "protocol", "auth", "status"
)  # fmt: skip
"""All values of `error.kind` (docs/reference/logs.md)."""

PHASES = ("dns", "connect", "tls", "send", "wait", "body")
"""The phases of an exchange in order; a failure names the one it happened in."""
TOKEN_PHASE = "token"  # noqa: S105  a phase, not a token
"""The phase of a failure of the kind `auth`: there was no exchange with the receiver."""


class Timings(msgspec.Struct, kw_only=True, gc=False):
    """Milliseconds of each phase; None for a phase that a reused connection skipped."""

    dns_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    first_byte_ms: float | None = None
    """From the last byte of the request to the first byte of the response."""
    reconnected: bool = False
    """Whether a reused connection was closed and the request was sent again on a new one."""


class Failure(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why an exchange has no usable response."""

    kind: str
    """One of ERROR_KINDS except `status`, which only a verdict uses."""
    message: str
    """A sentence for people. It never contains the resolved address of a refused destination."""
    phase: str
    """One of PHASES, or TOKEN_PHASE."""
    code: str = ""
    """A stable identifier for `domain.diagnosis`: `nxdomain`, `refused`, `unreachable`, `expired`,
    `self_signed`, `wrong_host`, `unknown_ca`, `bad_status_line`, `headers_too_large`, …"""


class Exchange(msgspec.Struct, kw_only=True, gc=False):
    """The result of one HTTP exchange: a response, a failure, or both.

    With both, the connection broke after the status line. The status then counts.
    """

    started_at: int
    """Wall-clock time in milliseconds."""
    duration_ms: float
    timings: Timings
    status: int | None = None
    reason: str = ""
    response_head: bytes = b""
    """Header lines as `name: value\\r\\n…`, without the status line."""
    response_body: bytes = b""
    """At most 16 KiB, as received."""
    truncated: bool = False
    """Whether `response_body` is incomplete: it was too long, or the connection broke."""
    failure: Failure | None = None


class AttemptRecord(msgspec.Struct, kw_only=True, gc=False):
    """An attempt as it is written to the log."""

    id: str
    outcome: str
    """`succeeded` or `failed`."""
    url: str
    request_head: bytes
    """The request line and headers exactly as sent, without the blank line."""
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
    """In a list: the first 1 KiB of a failed attempt, for its diagnosis; else empty."""
    truncated: bool
    error_kind: str | None
    error_message: str
    error_code: str
    error_phase: str
    delivery_status: str
    """The delivery's current status: `pending`, `delivered`, `failed` or `cancelled`."""
    next_attempt_at: int | None

    @property
    def time_limit(self) -> float | None:
        """The seconds that this attempt had, as far as its error says them."""
        found = _TIME_LIMIT.search(self.error_message) if self.error_kind == "timeout" else None
        return float(found[1]) if found else None


_TIME_LIMIT = re.compile(r" \(([0-9.]+) s\)\.$")
"""How the message of a timeout ends: see `egress.failures.timeout_failure`."""
