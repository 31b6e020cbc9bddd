"""Attempter: builds the bytes of a request, sends them, and judges the response."""

from collections.abc import Sequence
from typing import Protocol

from winnerr_webhooks import __version__
from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.attempt import AttemptRecord, Exchange
from winnerr_webhooks.domain.branding import Branding
from winnerr_webhooks.domain.credentials import masked_value
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.retry import Jitter, waits_of
from winnerr_webhooks.domain.signing import Signer
from winnerr_webhooks.domain.url import Destination, parse_url
from winnerr_webhooks.domain.verdict import SuccessRule, Verdict, judge
from winnerr_webhooks.domain.webhook import Target
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.storage.values import Settlement


class Egress(Protocol):
    """What sends a request: `egress.client.EgressClient`."""

    async def post(
        self,
        destination: Destination,
        organization: str,
        head: bytes,
        body: bytes,
        limit: float | None = None,
    ) -> Exchange:
        """Send once; the result tells what the network or the receiver did.

        `limit` is the webhook's own time limit in seconds; that of the egress is the most.
        """
        ...


class RequestTemplate:
    """The request of one version of a webhook, with everything that is the same every time."""

    __slots__ = (
        "_before", "_credentials", "_masked", "_test_line", "destination", "organization", "signer",
        "target",
    )  # fmt: skip

    def __init__(self, target: Target, branding: Branding) -> None:
        self.target = target
        self.organization = target.organization
        self.destination = parse_url(target.url, allow_http=True)  # judged when it was saved
        self.signer = (
            Signer(
                target.secret,
                target.next_secret,
                target.overlap_ends_at,
                branding=branding,
            )
            if target.secret is not None
            else None
        )
        lines = [
            (name, value)
            for name, value in target.credentials.lines()
            if not branding.reserves(name)  # HEADER_PREFIX may be another than it was
        ]
        self._credentials = _header_lines(lines)
        self._masked = _header_lines([(name, masked_value(value)) for name, value in lines])
        # The only `%` signs must be ours: the URL may hold percent-encoded characters.
        fixed = (
            f"POST {self.destination.target} HTTP/1.1\r\n"
            f"Host: {self.destination.authority}\r\n"
            "Content-Type: application/json\r\n"
            "Accept: */*\r\n"
            "Accept-Encoding: identity\r\n"
            f"User-Agent: {branding.product}/{__version__}\r\n"
            f"{branding.header('Webhook')}: {target.webhook_id}\r\n"
        ) + self._credentials.decode()
        fixed = fixed.replace("%", "%%")
        own = branding.header_prefix.replace("%", "%%")
        self._before = (
            f"{fixed}{own}Event: %b\r\n"
            f"{own}Delivery: %b\r\n"
            f"{own}Attempt: %d\r\n"
            f"%bContent-Length: %d\r\nwebhook-id: %b\r\nwebhook-timestamp: %d\r\n%b\r\n"
        ).encode()
        self._test_line = f"{branding.header('Test')}: true\r\n".encode()

    def head(self, delivery: LeasedDelivery, now_ms: int) -> bytes:
        """Return the request line and headers, with the blank line."""
        seconds = now_ms // 1000
        event_id = delivery.event_id
        signature = (
            self.signer.headers(delivery.body, event_id, seconds, now_ms) if self.signer else b""
        )
        return self._before % (
            delivery.event.encode(),
            delivery.id.encode(),
            delivery.attempt,
            self._test_line if delivery.test else b"",
            len(delivery.body),
            event_id.encode(),
            seconds,
            signature,
        )

    def logged_head(self, head: bytes) -> bytes:
        """Return a head as the log has it: credentials masked, and without the blank line."""
        if self._credentials:
            head = head.replace(self._credentials, self._masked, 1)
        return head[:-4]


def _header_lines(lines: Sequence[tuple[str, str]]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in lines).encode()


class Attempter:
    """Makes attempts for every lane of a node."""

    def __init__(
        self,
        egress: Egress,
        *,
        schedule: tuple[float, ...],
        success: SuccessRule,
        branding: Branding,
        clock: Clock,
        ids: Ids,
        jitter: Jitter,
    ) -> None:
        self._egress = egress
        self._schedule = schedule
        self._success = success
        self._branding = branding
        self._clock = clock
        self._ids = ids
        self._jitter = jitter

    def template(self, target: Target) -> RequestTemplate:
        """Build the request template of a webhook."""
        return RequestTemplate(target, self._branding)

    async def attempt(self, template: RequestTemplate, delivery: LeasedDelivery) -> Settlement:
        """Make one HTTP request of a delivery; returns what to record about it.

        Raises `LocalShortage` when this machine lacks something, and nothing was sent.
        """
        head = template.head(delivery, self._clock.now_ms())
        exchange = await self._egress.post(
            template.destination,
            template.organization,
            head,
            delivery.body,
            template.target.timeout,
        )
        verdict = self._judge(exchange, delivery, template.target)
        return Settlement(
            delivery=delivery,
            record=AttemptRecord(
                id=self._ids.new("att"),
                outcome="failed" if verdict.error_kind else "succeeded",
                url=template.target.url,
                request_head=template.logged_head(head),
                exchange=exchange,
                error_kind=verdict.error_kind,
                error_message=verdict.error_message,
                error_code=verdict.error_code,
            ),
            verdict=verdict,
        )

    def _judge(self, exchange: Exchange, delivery: LeasedDelivery, target: Target) -> Verdict:
        return judge(
            exchange,
            trigger=delivery.trigger,
            retries_used=delivery.retries_used,
            schedule=waits_of(target.retry_schedule, self._schedule),
            success=self._success,
            jitter=self._jitter,
        )
