"""Signs for webhooks with Ed25519 keys, also while one kind of signature replaces the other.

`webhook-signature: v1a,<base64>` is the Ed25519 signature (RFC 8032) of
`<webhook-id>.<webhook-timestamp>.<body>`. The product's own header is HMAC and needs a secret that
both sides know, so an Ed25519 key does not make it.
"""

import binascii
from typing import Protocol

from winnerr_webhooks.domain.branding import Branding
from winnerr_webhooks.domain.ed25519_keys import ED25519, private_key, signing_kind
from winnerr_webhooks.domain.signing import HmacKey, Signer


class SignsRequests(Protocol):
    """What makes the signature headers of a webhook."""

    def headers(self, body: bytes, event_id: str, seconds: int, now_ms: int) -> bytes:
        """Return the signature header lines, each ending with CRLF; see `Signer.headers`."""
        ...


def make_signer(
    secret: str, next_secret: str | None, overlap_ends_at: int | None, *, branding: Branding
) -> SignsRequests:
    """Return the signer for these secrets; the second one replaces the first at the end."""
    if ED25519 in (signing_kind(secret), signing_kind(next_secret)):
        return _MixedSigner(secret, next_secret, overlap_ends_at, branding=branding)
    return Signer(secret, next_secret, overlap_ends_at, branding=branding)


class _Ed25519Key:
    """An Ed25519 key."""

    def __init__(self, secret: str) -> None:
        self._sign = private_key(secret).sign

    def own_line(self, body: bytes, suffix: str) -> str:  # noqa: ARG002  as `_HmacLines.own_line`
        """Return nothing: the product's own header is HMAC."""
        return ""

    def entry(self, start: bytes, body: bytes) -> str:
        """Return the entry of `webhook-signature`."""
        signature = binascii.b2a_base64(self._sign(start + body), newline=False)
        return f"v1a,{signature.decode()}"


class _HmacLines:
    """An HMAC secret beside an Ed25519 key."""

    def __init__(self, secret: str, branding: Branding) -> None:
        self._key = HmacKey(secret)
        self._branding = branding

    def own_line(self, body: bytes, suffix: str) -> str:
        """Return the line of the product's own header; `suffix` follows its name."""
        digest, form = self._key.own(body), self._branding.signature_format
        return f"{self._branding.signature_header}{suffix}: {form.write(digest)}\r\n"

    def entry(self, start: bytes, body: bytes) -> str:
        """Return the entry of `webhook-signature`."""
        return f"v1,{self._key.standard(start, body).decode()}"


class _MixedSigner:
    """Signs with one or two keys, of which at least one is Ed25519."""

    def __init__(
        self,
        secret: str,
        next_secret: str | None,
        overlap_ends_at: int | None,
        *,
        branding: Branding,
    ) -> None:
        def key(text: str) -> _Ed25519Key | _HmacLines:
            return (
                _Ed25519Key(text) if signing_kind(text) == ED25519 else _HmacLines(text, branding)
            )

        self._key = key(secret)
        self._next = None if next_secret is None else key(next_secret)
        self._overlap_ends_at = overlap_ends_at or 0

    def headers(self, body: bytes, event_id: str, seconds: int, now_ms: int) -> bytes:
        """Return the signature header lines; see `Signer.headers`."""
        if self._next is not None and now_ms >= self._overlap_ends_at:
            self._key, self._next = self._next, None
        start = b"%b.%d." % (event_id.encode(), seconds)
        lines, entries = self._key.own_line(body, ""), self._key.entry(start, body)
        if self._next is not None:
            lines += self._next.own_line(body, "-Next")
            entries += f" {self._next.entry(start, body)}"
        return f"{lines}webhook-signature: {entries}\r\n".encode()
