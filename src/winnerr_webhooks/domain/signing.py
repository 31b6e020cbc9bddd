"""Signatures over the exact bytes of a body: our own header, and Standard Webhooks 1.0.

`X-Winnerr-Signature: sha256=<hex>` is HMAC-SHA256 (RFC 2104) of the raw body, keyed with the
whole secret's UTF-8 bytes. `webhook-signature: v1,<base64>` is HMAC-SHA256 of
`<webhook-id>.<webhook-timestamp>.<body>` (Standard Webhooks 1.0), keyed with the base64-decoded
rest of a `whsec_` secret, else with the secret's UTF-8 bytes.
"""

import binascii
import hmac
from typing import Final

from winnerr_webhooks.domain.errors import Invalid

PREFIX: Final = "whsec_"
SHORTEST: Final = 8
LONGEST: Final = 256


class _Key:
    """One secret, its two key schedules computed once and copied for every body."""

    __slots__ = ("_own", "_standard")

    def __init__(self, secret: str) -> None:
        self._own = hmac.new(secret.encode(), digestmod="sha256")
        self._standard = hmac.new(standard_key(secret), digestmod="sha256")

    def own(self, body: bytes) -> bytes:
        mac = self._own.copy()
        mac.update(body)
        return mac.hexdigest().encode()

    def standard(self, content: bytes) -> bytes:
        mac = self._standard.copy()
        mac.update(content)
        return binascii.b2a_base64(mac.digest(), newline=False)


class Signer:
    """Signs with a webhook's secret, and through a rotation with both."""

    __slots__ = ("_key", "_next", "_overlap_ends_at", "_own_line")

    def __init__(
        self,
        secret: str,
        next_secret: str | None = None,
        overlap_ends_at: int | None = None,
        *,
        header_prefix: str = "Winnerr",
    ) -> None:
        self._key = _Key(secret)
        self._next = _Key(next_secret) if next_secret is not None else None
        self._overlap_ends_at = overlap_ends_at or 0
        self._own_line = f"X-{header_prefix}-Signature".encode()

    def headers(self, body: bytes, event_id: str, seconds: int, now_ms: int) -> bytes:
        """The signature header lines, each ended by CRLF.

        `seconds` is what `webhook-timestamp` says; `now_ms` decides whether an overlap goes on.
        """
        content = b"%b.%d.%b" % (event_id.encode(), seconds, body)
        key, following = self._key, self._next
        if following is None:
            return b"%b: sha256=%b\r\nwebhook-signature: v1,%b\r\n" % (
                self._own_line,
                key.own(body),
                key.standard(content),
            )
        if now_ms >= self._overlap_ends_at:
            self._key, self._next = following, None
            return self.headers(body, event_id, seconds, now_ms)
        return b"%b: sha256=%b\r\n%b-Next: sha256=%b\r\nwebhook-signature: v1,%b v1,%b\r\n" % (
            self._own_line,
            key.own(body),
            self._own_line,
            following.own(body),
            key.standard(content),
            following.standard(content),
        )


def standard_key(secret: str) -> bytes:
    """The key that Standard Webhooks 1.0 signs with."""
    if secret.startswith(PREFIX):
        return binascii.a2b_base64(secret[len(PREFIX) :], strict_mode=True)
    return secret.encode()


def check_secret(secret: str, pointer: str = "/secret") -> None:
    """Whether customers may use this secret; `Invalid` when not. It is never in the message."""
    if not SHORTEST <= len(secret) <= LONGEST:
        raise Invalid.field(
            pointer, f"A secret has {SHORTEST} to {LONGEST} characters; this one has {len(secret)}."
        )
    if not secret.isprintable():
        raise Invalid.field(pointer, "A secret is made of printable characters only.")
    if secret.startswith(PREFIX):
        try:
            key = standard_key(secret)
        except ValueError:
            key = b""
        if not key:
            raise Invalid.field(
                pointer,
                "After `whsec_` a secret is base64; this is not. Send valid base64, or a secret "
                "that does not begin with `whsec_`.",
            )
