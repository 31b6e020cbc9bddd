"""An event: what is accepted, and the payload every receiver gets, frozen to bytes once."""

import hashlib
from datetime import UTC, datetime
from functools import lru_cache

import msgspec


class NewEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event that passed every check and waits to be stored."""

    id: str
    """`evt_…`, made by this node; sorts by acceptance."""
    organization: str
    name: str
    body: bytes
    """The exact request body of every attempt: `encode_payload`'s answer."""
    client_id: str | None = None
    """What makes the call safe to repeat, if the caller gave one."""
    fingerprint: bytes = b""
    """Of the event's name and its compact data; empty without a `client_id`."""


class LeasedDelivery(msgspec.Struct, kw_only=True, gc=False):
    """A delivery this node may attempt next, until its lease runs out."""

    id: str
    event_id: str
    event: str
    organization: str
    webhook_id: str
    webhook_version: int
    """The webhook's version when this was read; a lane with an older one reads it anew."""
    body: bytes
    trigger: str = "automatic"
    """`automatic`, `replay` or `test`."""
    test: bool = False
    """Whether its event is a sample; a test's replay has trigger `replay` and is a test still."""
    attempt: int = 1
    """The number the next attempt carries."""
    retries_used: int = 0
    """Automatic attempts already made: 0 at the first."""
    lease: int = 1
    """The fence: settling moves the delivery only while the stored lease is still this one."""
    replay: int = 0
    """Which replay request this serves; a later request is not lost with it."""
    expires: float = 0.0
    """Monotonic instant at which the lease ends; whoever takes the lease sets it."""


class Accepted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The answer to an accepted event."""

    id: str
    deliveries: int
    """How many active webhooks it is sent to."""
    duplicate: bool = False
    leased: tuple[LeasedDelivery, ...] = ()
    """The deliveries born leased to the accepting node."""
    conflict: bool = False
    """The same client id was accepted before with another event or other data."""
    rows: int = 0
    """Rows that were stored: the event and all its deliveries, cancelled ones too; 0: none."""


def encode_payload(event: str, timestamp: str, organization: str, data: bytes) -> bytes:
    """The payload as compact UTF-8 JSON, keys in their promised order.

    `data` is compact JSON already; `event`, `timestamp` and `organization` hold no character
    that JSON escapes (their rules allow none).
    """
    return b'{"event":"%b","timestamp":"%b","organizationId":"%b","data":%b}' % (
        event.encode(),
        timestamp.encode(),
        organization.encode(),
        data,
    )


def fingerprint(event: str, data: bytes) -> bytes:
    """What a repeated call is compared by first: the bytes of event and data, not the timestamp.

    Where it differs, `domain.idempotency` compares the values.
    """
    return hashlib.blake2b(event.encode() + b"\0" + data, digest_size=16).digest()


def rfc3339(ms: int) -> str:
    """Milliseconds since 1970 as `2025-01-15T14:23:00Z` (RFC 3339, whole seconds, UTC)."""
    return _rfc3339(ms // 1000)


@lru_cache(maxsize=64)  # the events of one second share their text
def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19] + "Z"


def rfc3339_ms(ms: int) -> str:
    """Milliseconds since 1970 as `2025-01-15T14:23:00.123Z` (RFC 3339, UTC)."""
    moment = datetime.fromtimestamp(ms // 1000, UTC).isoformat()[:19]
    return f"{moment}.{ms % 1000:03d}Z"
