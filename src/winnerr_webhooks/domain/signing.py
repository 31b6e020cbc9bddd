"""Signatures over the exact bytes of a body: our own header, and Standard Webhooks 1.0.

`X-Winnerr-Signature: sha256=<hex>` is HMAC-SHA256 (RFC 2104) of the raw body, keyed with the
whole secret's UTF-8 bytes. `webhook-signature: v1,<base64>` is HMAC-SHA256 of
`<webhook-id>.<webhook-timestamp>.<body>` (Standard Webhooks 1.0), keyed with the base64-decoded
rest of a `whsec_` secret, else with the secret's UTF-8 bytes.

Only the lines that need a secret are made here; `webhook-id` and `webhook-timestamp` are sent
without one too, and belong to whoever builds the rest of the head.
"""

import binascii
import re
from hashlib import sha256
from typing import Final

from winnerr_webhooks.domain.errors import Invalid

PREFIX: Final = "whsec_"
SHORTEST: Final = 8
LONGEST: Final = 256


_BASE64: Final = re.compile(
    r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", re.ASCII
)
"""RFC 4648, section 4, padded: what every receiver's decoder reads the same way."""
_BLOCK: Final = 64
"""Bytes of a block of SHA-256."""
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


class _Mac:
    """HMAC-SHA256 with one key (RFC 2104, section 2), its two starting states computed once.

    A copy of both costs less than half of what a copy of the standard library's `hmac` does.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
        self._inner = sha256(block.translate(_INNER))
        self._outer = sha256(block.translate(_OUTER))

    def digest(self, start: bytes, body: bytes) -> bytes:
        """Of `start` followed by `body`, without joining them."""
        inner = self._inner.copy()
        if start:
            inner.update(start)
        inner.update(body)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()


class _Key:
    """One secret with the two keys it stands for."""

    __slots__ = ("_own", "_standard")

    def __init__(self, secret: str) -> None:
        self._own = _Mac(secret.encode())
        self._standard = _Mac(standard_key(secret))

    def own(self, body: bytes) -> bytes:
        return binascii.hexlify(self._own.digest(b"", body))

    def standard(self, start: bytes, body: bytes) -> bytes:
        return binascii.b2a_base64(self._standard.digest(start, body), newline=False)


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
        start = b"%b.%d." % (event_id.encode(), seconds)
        key, following = self._key, self._next
        if following is None:
            return b"%b: sha256=%b\r\nwebhook-signature: v1,%b\r\n" % (
                self._own_line,
                key.own(body),
                key.standard(start, body),
            )
        if now_ms >= self._overlap_ends_at:
            self._key, self._next = following, None
            return self.headers(body, event_id, seconds, now_ms)
        return b"%b: sha256=%b\r\n%b-Next: sha256=%b\r\nwebhook-signature: v1,%b v1,%b\r\n" % (
            self._own_line,
            key.own(body),
            self._own_line,
            following.own(body),
            key.standard(start, body),
            following.standard(start, body),
        )


def standard_key(secret: str) -> bytes:
    """The key that Standard Webhooks 1.0 signs with; the secret is one `check_secret` takes."""
    if secret.startswith(PREFIX):
        return binascii.a2b_base64(secret[len(PREFIX) :])
    return secret.encode()


def check_secret(secret: str, pointer: str = "/secret") -> None:
    """Whether customers may use this secret; `Invalid` when not. It is never in the message."""
    if not SHORTEST <= len(secret) <= LONGEST:
        raise Invalid.field(
            pointer, f"A secret has {SHORTEST} to {LONGEST} characters; this one has {len(secret)}."
        )
    if not secret.isprintable():
        raise Invalid.field(pointer, "A secret is made of printable characters only.")
    if secret.startswith(PREFIX) and not _BASE64.fullmatch(secret, len(PREFIX)):
        raise Invalid.field(
            pointer,
            "After `whsec_` a secret is base64 with its padding; this is not. Send valid base64, "
            "or a secret that does not begin with `whsec_`.",
        )
