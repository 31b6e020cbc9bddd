"""What `listen` and the server tell each other, and what became of each delivery here."""

from typing import Final

import msgspec

from winnerr_webhooks.domain.attempt import Exchange

MAX_HEAD: Final = 16 * 1024
"""Bytes of a response's headers that are reported, at most."""


class ListenerRequest(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The body of `POST /api/v1/listeners`."""

    forward_to: str
    organization_id: str | None = None
    name: str = ""
    events: list[str] | None = None
    webhook: str | None = None


class OpenListener(msgspec.Struct, frozen=True, rename="camel"):
    """The answer to it."""

    id: str
    organization_id: str
    events: list[str]
    secret: str | None
    timeout: float

    def __repr__(self) -> str:
        """Leave the secret out."""
        return f"OpenListener({self.id})"


class OfferedDelivery(msgspec.Struct, frozen=True, rename="camel"):
    """A delivery that the stream offers: the request to make, exactly as it is signed."""

    delivery_id: str
    event_id: str
    event: str
    attempt: int
    trigger: str
    head: str
    """Request line and headers, with the blank line."""
    body: str

    @property
    def key(self) -> tuple[str, int]:
        """What names this attempt: an offer that comes again has the same."""
        return self.delivery_id, self.attempt


class Row:
    """One attempt as people see it."""

    def __init__(self, offer: OfferedDelivery, started_at: int) -> None:
        self.offer = offer
        self.started_at = started_at
        """Wall clock, ms."""
        self.exchange: Exchange | None = None
        """The local receiver's answer. While it is awaited, None."""
        self.note = ""
        """What else there is to say, in up to 24 characters: the table has room for no more."""
        self.is_recorded = False
        """Whether the answer is in the log of the server."""

    @property
    def result(self) -> str:
        """The status, the kind of the error, or what is awaited."""
        exchange = self.exchange
        if exchange is None:
            return "…"
        if exchange.status is not None:
            return str(exchange.status)
        return exchange.failure.code or exchange.failure.kind if exchange.failure else "?"

    @property
    def succeeded(self) -> bool:
        """Whether the local receiver answered 2xx."""
        status = self.exchange.status if self.exchange else None
        return status is not None and status // 100 == 2  # noqa: PLR2004  RFC 9110, section 15.3


def report(offer: OfferedDelivery, stream: str, exchange: Exchange) -> dict[str, object]:
    """Return the body of `POST …/answers`."""
    failure = exchange.failure
    head = exchange.response_head
    if len(head) > MAX_HEAD:
        head = head[: head.rfind(b"\r\n", 0, MAX_HEAD) + 2]
    timings = exchange.timings
    return {
        "stream": stream,
        "deliveryId": offer.delivery_id,
        "durationMs": exchange.duration_ms,
        "status": exchange.status,
        "reason": exchange.reason[:200],
        "responseHead": head,
        "responseBody": exchange.response_body,
        "truncated": exchange.truncated,
        "timings": {
            "dnsMs": timings.dns_ms,
            "connectMs": timings.connect_ms,
            "tlsMs": timings.tls_ms,
            "firstByteMs": timings.first_byte_ms,
            "reconnected": timings.reconnected,
        },
        "failure": failure
        and {
            "kind": failure.kind,
            "message": failure.message[:500],
            "phase": failure.phase,
            "code": failure.code,
        },
    }
