"""Signs request bodies: the product's own signature header, and Standard Webhooks 1.0.

The product's own header, such as `X-Acme-Signature: sha256=<hex>`, is HMAC-SHA256 (RFC 2104) of the
raw body in the product's `SignatureFormat`. Its key is the UTF-8 bytes of the whole secret.
`webhook-signature: v1,<base64>` is HMAC-SHA256 of `<webhook-id>.<webhook-timestamp>.<body>`
(Standard Webhooks 1.0). Its key is the base64-decoded rest of a `whsec_` secret, or the UTF-8 bytes
of any other secret.

This module writes only the header lines that need a secret. `pipeline.attempter` writes the others,
`webhook-id` and `webhook-timestamp` among them.
"""

import binascii
import re
from hashlib import sha256
from typing import Final

from winnerr_webhooks.domain.branding import HEX, Branding
from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.text import Text

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  not a secret itself
"""Secrets with this prefix continue with base64, as Standard Webhooks 1.0 defines."""
KEY_PREFIXES: Final = ("whsk_", "whpk_")
"""Keys of Ed25519 begin with these: see `domain.ed25519_keys`."""
MIN_SECRET: Final = 8
MAX_SECRET: Final = 256
"""The shortest and the longest secret, in characters."""

_BASE64: Final = re.compile(
    r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", re.ASCII
)
"""Padded base64 (RFC 4648, section 4), which every decoder reads the same way."""
_BLOCK: Final = 64
"""The block size of SHA-256 in bytes."""
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


class _Hmac:
    """HMAC-SHA256 with one key (RFC 2104, section 2). Its two initial states are computed once.

    Copying both states costs less than half as much as copying an `hmac.HMAC`.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
        self._inner = sha256(block.translate(_INNER))
        self._outer = sha256(block.translate(_OUTER))

    def digest(self, start: bytes, body: bytes) -> bytes:
        """Return the HMAC of `start` followed by `body`."""
        inner = self._inner.copy()
        if start:
            inner.update(start)
        inner.update(body)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()


class HmacKey:
    """One secret, and the keys of the two signatures that it makes."""

    __slots__ = ("_own", "_standard")

    def __init__(self, secret: str) -> None:
        self._own = _Hmac(secret.encode())
        self._standard = _Hmac(standard_key(secret))

    def own(self, body: bytes) -> bytes:
        """Return the 32 bytes that the product's own signature header has in some encoding."""
        return self._own.digest(b"", body)

    def standard(self, start: bytes, body: bytes) -> bytes:
        """Return the base64 signature of Standard Webhooks; `start` is `<id>.<timestamp>.`."""
        return _base64(self._standard.digest(start, body))


class Signer:
    """Signs with a webhook's secret; while a rotation overlaps, with the old and the new one."""

    __slots__ = ("_encode", "_key", "_lines", "_next", "_overlap_ends_at", "_overlap_lines")

    def __init__(
        self,
        secret: str,
        next_secret: str | None = None,
        overlap_ends_at: int | None = None,
        *,
        branding: Branding,
    ) -> None:
        self._key = HmacKey(secret)
        self._next = HmacKey(next_secret) if next_secret is not None else None
        self._overlap_ends_at = overlap_ends_at or 0
        form = branding.signature_format
        self._encode = binascii.hexlify if form.encoding == HEX else _base64
        # The only `%` signs must be ours: the product's texts may hold some.
        name, prefix, suffix = (
            text.replace("%", "%%")
            for text in (branding.signature_header, form.prefix, form.suffix)
        )
        own = f"{name}: {prefix}%b{suffix}\r\n"
        following = f"{name}-Next: {prefix}%b{suffix}\r\n"
        self._lines = f"{own}webhook-signature: v1,%b\r\n".encode()
        self._overlap_lines = f"{own}{following}webhook-signature: v1,%b v1,%b\r\n".encode()

    def headers(self, body: bytes, event_id: str, seconds: int, now_ms: int) -> bytes:
        """Return the signature header lines, each ending with CRLF.

        `seconds` is the value of `webhook-timestamp`. `now_ms` (wall-clock milliseconds) decides
        whether the overlap has ended.
        """
        start = b"%b.%d." % (event_id.encode(), seconds)
        key, following = self._key, self._next
        if following is None:
            return self._lines % (self._encode(key.own(body)), key.standard(start, body))
        if now_ms >= self._overlap_ends_at:
            self._key, self._next = following, None
            return self.headers(body, event_id, seconds, now_ms)
        return self._overlap_lines % (
            self._encode(key.own(body)),
            self._encode(following.own(body)),
            key.standard(start, body),
            following.standard(start, body),
        )


def _base64(digest: bytes) -> bytes:
    return binascii.b2a_base64(digest, newline=False)


def standard_key(secret: str) -> bytes:
    """Return the Standard Webhooks 1.0 key of a secret that `check_secret` accepts."""
    if secret.startswith(SECRET_PREFIX):
        return binascii.a2b_base64(secret[len(SECRET_PREFIX) :])
    return secret.encode()


def check_secret(secret: str, pointer: str = "/secret") -> None:
    """Raise `Invalid` if customers may not use this secret. The message never contains it."""
    if not MIN_SECRET <= len(secret) <= MAX_SECRET:
        raise Invalid.field(
            pointer,
            Text(
                "A secret has {least} to {most} characters; this one has {count:,}.",
                least=MIN_SECRET,
                most=MAX_SECRET,
                count=len(secret),
            ),
        )
    if secret.startswith(KEY_PREFIXES):
        raise Invalid.field(
            pointer,
            Text(
                "This is a key of Ed25519 and not a secret. Set `signing` to `ed25519`, or give a "
                "secret that does not begin with `whsk_` or `whpk_`."
            ),
        )
    if not secret.isprintable():
        raise Invalid.field(pointer, Text("A secret may contain printable characters only."))
    if secret.startswith(SECRET_PREFIX) and not _BASE64.fullmatch(secret, len(SECRET_PREFIX)):
        raise Invalid.field(
            pointer,
            Text(
                "The text after `whsec_` is not base64 with padding. Send valid base64, or a "
                "secret "
                "that does not begin with `whsec_`."
            ),
        )
