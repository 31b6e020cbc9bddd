"""Keys of Ed25519 signatures (RFC 8032), written as Standard Webhooks does.

`whsk_` and base64 is the private key, which signs and stays here. `whpk_` and base64 is the public
key, with which receivers verify `webhook-signature: v1a,<base64>`.
"""

import base64
import binascii
from typing import TYPE_CHECKING, Final

from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.text import Text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HMAC: Final = "hmac"
ED25519: Final = "ed25519"
SIGNING_KINDS: Final = (HMAC, ED25519)
"""How a webhook can sign."""
SIGNING_KEY_PREFIX: Final = "whsk_"
PUBLIC_KEY_PREFIX: Final = "whpk_"
_SEED: Final = 32
"""Bytes of a private key."""


def signing_kind(secret: str | None) -> str:
    """Return `hmac` or `ed25519`: what a stored secret signs with."""
    return ED25519 if secret is not None and _seed(secret) is not None else HMAC


def private_key(secret: str) -> "Ed25519PrivateKey":
    """Return the key of a secret whose kind is `ed25519`."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415  few webhooks need it

    seed = _seed(secret)
    assert seed is not None  # noqa: S101  the caller knows the kind
    return Ed25519PrivateKey.from_private_bytes(seed)


def public_key(secret: str) -> str:
    """Return `whpk_…` of a secret whose kind is `ed25519`."""
    raw = private_key(secret).public_key().public_bytes_raw()
    return PUBLIC_KEY_PREFIX + base64.b64encode(raw).decode()


def check_signing_key(secret: str, pointer: str = "/secret") -> None:
    """Raise `Invalid` if this is not a private key. The message never contains it."""
    if _seed(secret) is None:
        raise Invalid.field(
            pointer,
            Text(
                "A key of Ed25519 is `whsk_` and base64 of 32 bytes. Leave it out, and one is "
                "generated."
            ),
        )


def _seed(secret: str) -> bytes | None:
    """Return the 32 bytes of a private key; None if the text is none."""
    if not secret.startswith(SIGNING_KEY_PREFIX):
        return None
    try:
        raw = base64.b64decode(secret[len(SIGNING_KEY_PREFIX) :].encode(), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return raw if len(raw) == _SEED else None
