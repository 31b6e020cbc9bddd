"""The request of a webhook: everything that is the same in every attempt, built once."""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from winnerr_webhooks import __version__
from winnerr_webhooks.domain.attempt import Exchange
from winnerr_webhooks.domain.branding import Branding
from winnerr_webhooks.domain.credentials import MASK, MtlsAuth, OAuth2Auth, masked_value
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.mixed_signing import make_signer
from winnerr_webhooks.domain.url import Destination, parse_url
from winnerr_webhooks.domain.webhook import Target

_TOKEN_LINE: Final = b"Authorization: Bearer %b\r\n"
_MASKED_LINE: Final = _TOKEN_LINE % MASK.encode()


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
        "_before", "_credentials", "_masked", "_test_line", "_token_at", "destination", "oauth2",
        "organization", "signer", "target",
    )  # fmt: skip

    def __init__(self, target: Target, branding: Branding) -> None:
        self.target = target
        self.organization = target.organization
        self.destination = parse_url(target.url, allow_http=True)  # judged when it was saved
        self.signer = (
            make_signer(
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
        auth = target.credentials.auth
        if isinstance(auth, MtlsAuth):
            self.destination = msgspec.structs.replace(self.destination, identity=auth.identity)
        self.oauth2 = auth if isinstance(auth, OAuth2Auth) else None
        """If it is set, `head` lacks a token: `with_token` adds it."""
        first = f"POST {self.destination.target} HTTP/1.1\r\nHost: {self.destination.authority}\r\n"
        self._token_at = len(first)
        # The only `%` signs must be ours: the URL may hold percent-encoded characters.
        fixed = (
            f"{first}"
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

    def with_token(self, head: bytes, token: str) -> bytes:
        """Return a head with a bearer token."""
        return self._with_line(head, _TOKEN_LINE % token.encode())

    def logged_head(self, head: bytes) -> bytes:
        """Return a head as the log has it: credentials masked, and without the blank line."""
        if self._credentials:
            head = head.replace(self._credentials, self._masked, 1)
        if self.oauth2 is not None:
            head = self._with_line(head, _MASKED_LINE)
        return head[:-4]

    def _with_line(self, head: bytes, line: bytes) -> bytes:
        return head[: self._token_at] + line + head[self._token_at :]


def _header_lines(lines: Sequence[tuple[str, str]]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in lines).encode()
