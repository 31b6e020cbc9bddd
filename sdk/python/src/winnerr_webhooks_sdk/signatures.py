"""Signatures: how they are computed, and what a well-formed one looks like.

Two schemes sign the same body. `X-Winnerr-Signature` is HMAC-SHA256 (RFC 2104) of the body, keyed
with the whole secret. `webhook-signature` (Standard Webhooks 1.0) is HMAC-SHA256 of
`<webhook-id>.<webhook-timestamp>.<body>`, keyed with the base64-decoded rest of a `whsec_` secret,
or with the whole of any other.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import List, Optional

SHORTEST_SECRET = 8
"""Characters of the shortest secret that a webhook may have."""
PUBLIC_KEY_PREFIX = "whpk_"
_PRIVATE_KEY_PREFIX = "whsk_"
_KEY_BYTES = 32
_WHSEC = "whsec_"
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HEX_DIGEST = "([0-9A-Fa-f]{64})"
_BASE64_DIGEST = "([A-Za-z0-9+/]{43}=)"
_V1 = re.compile(f"v1,{_BASE64_DIGEST}")
_V1A = re.compile(r"v1a,([A-Za-z0-9+/]{86}==)")
_OTHER_VERSION = re.compile(r"(?!v1,)[a-z0-9]+,[A-Za-z0-9+/]+={0,2}")


class SecretKey:
    """A webhook's secret, ready to sign with.

    `ValueError` if no webhook can have this secret: it is too short, holds a control character,
    or does not hold base64 after `whsec_`. The message never holds the secret.
    """

    def __init__(self, secret: str) -> None:
        if not isinstance(secret, str):
            raise TypeError(
                f"A secret is a str, as the settings page shows it, not {type(secret).__name__}."
            )
        check_secret(secret)
        self._whole = secret.encode()
        self._standard = (
            base64.b64decode(secret[len(_WHSEC) :]) if secret.startswith(_WHSEC) else self._whole
        )

    def sign_body(self, body: bytes) -> bytes:
        """Return the digest that `X-Winnerr-Signature` shows."""
        return hmac.new(self._whole, body, hashlib.sha256).digest()

    def sign_standard(self, event_id: str, timestamp: str, body: bytes) -> str:
        """Return the base64 text that `webhook-signature` shows after `v1,`."""
        content = f"{event_id}.{timestamp}.".encode() + body
        return base64.b64encode(hmac.new(self._standard, content, hashlib.sha256).digest()).decode()


def check_secret(secret: str) -> None:
    """Raise `ValueError`, with what to do, if no webhook can have this secret."""
    if not secret:
        raise ValueError("The secret is empty. Is the variable or file it comes from set?")
    if _CONTROL.search(secret):
        raise ValueError(
            "The secret has a line break or another control character. "
            "Remove it; a secret read from a file often needs .strip()."
        )
    if len(secret) < SHORTEST_SECRET:
        raise ValueError(
            f"The secret has {len(secret)} characters, and a webhook's secret has at least "
            f"{SHORTEST_SECRET}. Copy the whole secret."
        )
    if secret.startswith(_PRIVATE_KEY_PREFIX):
        raise ValueError(
            "This is a private key, which signs. Give the public key, which begins with whpk_."
        )
    if secret.startswith(_WHSEC) and not _BASE64.fullmatch(secret, len(_WHSEC)):
        raise ValueError(
            "What follows whsec_ in the secret is not base64. Copy the whole secret, "
            "up to the last = sign."
        )


class PublicKey:
    """The public key of a webhook that signs with Ed25519 (RFC 8032).

    `ValueError` if it cannot be one, `ImportError` without the package `cryptography`.
    """

    def __init__(self, text: str) -> None:
        try:
            raw = base64.b64decode(text[len(PUBLIC_KEY_PREFIX) :], validate=True)
        except ValueError:
            raw = b""
        if len(raw) != _KEY_BYTES:
            raise ValueError(
                "What follows whpk_ is not the base64 of 32 bytes. Copy the whole public key, up "
                "to the = sign, from the page of the webhook about signing."
            )
        try:
            from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  optional
            from cryptography.hazmat.primitives.asymmetric import (  # noqa: PLC0415  likewise
                ed25519,
            )
        except ImportError:
            raise ImportError(
                "Verifying with a public key (whpk_…) needs the package cryptography: "
                "pip install 'winnerr-webhooks-sdk[ed25519]'"
            ) from None
        self._invalid = InvalidSignature
        self._verify = ed25519.Ed25519PublicKey.from_public_bytes(raw).verify

    def verifies(self, signature: bytes, event_id: str, timestamp: str, body: bytes) -> bool:
        """Whether this is the signature of a request."""
        try:
            self._verify(signature, f"{event_id}.{timestamp}.".encode() + body)
        except self._invalid:
            return False
        return True


def is_public_key(secret: object) -> bool:
    """Whether this is a public key, in place of a secret."""
    return isinstance(secret, str) and secret.startswith(PUBLIC_KEY_PREFIX)


class SignatureFormat:
    """How a product writes the signature of a body: `sha256={hex}`, or text around `{base64}`."""

    def __init__(self, text: str) -> None:
        placeholders = re.findall(r"\{hex\}|\{base64\}", text)
        if len(placeholders) != 1:
            raise ValueError(
                f"signature_format is text with one {{hex}} or {{base64}} in it, such as "
                f"'sha256={{hex}}'; this is {text!r}."
            )
        self.text = text
        self._placeholder = placeholders[0]
        self._is_hex = placeholders[0] == "{hex}"
        before, after = text.split(self._placeholder)
        digest = _HEX_DIGEST if self._is_hex else _BASE64_DIGEST
        self._pattern = re.compile(re.escape(before) + digest + re.escape(after))

    def write(self, digest: bytes) -> str:
        """Return the header's value for a digest."""
        return self.text.replace(self._placeholder, self._encode(digest))

    def read(self, value: str) -> Optional[str]:
        """Return the digest's text in a header's value; None if the value has another form."""
        found = self._pattern.fullmatch(value)
        if found is None:
            return None
        return found[1].lower() if self._is_hex else found[1]

    def matches(self, text: str, digest: bytes) -> bool:
        """Whether what `read` returned is this digest, in constant time."""
        return hmac.compare_digest(text, self._encode(digest))

    def _encode(self, digest: bytes) -> str:
        return digest.hex() if self._is_hex else base64.b64encode(digest).decode()


def read_standard(value: str) -> Optional[List[str]]:
    """Return the base64 texts of the `v1` entries of a `webhook-signature`.

    Entries of other versions are left out. None if any entry does not have its form, or if there
    is none.
    """
    texts = []
    entries = [entry for entry in value.split(" ") if entry]
    for entry in entries:
        found = _V1.fullmatch(entry)
        if found is not None:
            texts.append(found[1])
        elif not _OTHER_VERSION.fullmatch(entry):
            return None
    return texts if entries else None


def read_ed25519(value: str) -> List[bytes]:
    """Return the signatures in the `v1a` entries of a `webhook-signature`."""
    found = (_V1A.fullmatch(entry) for entry in value.split(" "))
    return [base64.b64decode(one[1]) for one in found if one is not None]
