"""Checks of a client certificate and its private key when they are saved."""

import ssl
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.egress.client_contexts import load_identity

MAX_PEM: Final = 16_384
"""Characters of a certificate with its chain, and of a private key: 16 KiB each."""
CLOCK_DIFFERENCE: Final = timedelta(minutes=5)
"""By how much the clock of an authority may be ahead."""
CERTIFICATE: Final = "/auth/certificate"
PRIVATE_KEY: Final = "/auth/privateKey"


def check_identity(certificate: str, private_key: str, now_ms: int) -> None:
    """Raise `Invalid`, at the field that is wrong, if the two cannot be used together.

    `now_ms` is wall-clock time. The message never contains the key.
    """
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    leaf = _certificate(certificate)
    key = _private_key(private_key)
    if leaf.not_valid_after_utc <= now:
        raise Invalid.field(
            CERTIFICATE,
            Text(
                "The certificate expired on {date}. Give one that is valid.",
                date=leaf.not_valid_after_utc.date().isoformat(),
            ),
        )
    if leaf.not_valid_before_utc > now + CLOCK_DIFFERENCE:
        raise Invalid.field(
            CERTIFICATE,
            Text(
                "The certificate is not valid before {date}. Give one that is valid.",
                date=leaf.not_valid_before_utc.date().isoformat(),
            ),
        )
    if _public(leaf) != _public(key):
        raise Invalid.field(
            PRIVATE_KEY,
            Text(
                "The private key does not belong to the certificate. The certificate itself must "
                "be the first one, before those of its authorities."
            ),
        )
    try:
        load_identity(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate, private_key)
    except ssl.SSLError as error:
        raise Invalid.field(
            CERTIFICATE,
            Text(
                "TLS does not accept this certificate or its key ({reason}). Use RSA with at least "
                "2,048 bits, ECDSA or Ed25519, and SHA-256.",
                reason=(error.reason or "unknown").lower().replace("_", " "),
            ),
        ) from None


def _certificate(text: str) -> x509.Certificate:
    _check_size(text, CERTIFICATE)
    try:
        return x509.load_pem_x509_certificates(text.encode())[0]
    except ValueError:
        raise Invalid.field(
            CERTIFICATE,
            Text(
                "This is not a certificate in PEM. It begins with -----BEGIN CERTIFICATE----- and "
                "may have those of its authorities after it."
            ),
        ) from None


def _private_key(text: str) -> PrivateKeyTypes:
    _check_size(text, PRIVATE_KEY)
    try:
        return load_pem_private_key(text.encode(), None)
    except TypeError:  # it needs a passphrase
        raise Invalid.field(
            PRIVATE_KEY,
            Text(
                "The private key is encrypted. Remove its passphrase, such as with `openssl pkey "
                "-in key.pem -out plain.pem`."
            ),
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise Invalid.field(
            PRIVATE_KEY,
            Text("This is not a private key in PEM. It begins with -----BEGIN PRIVATE KEY-----."),
        ) from None


def _check_size(text: str, pointer: str) -> None:
    if len(text) > MAX_PEM:
        raise Invalid.field(
            pointer,
            Text(
                "It has {count:,} characters; {most:,} are the most.", count=len(text), most=MAX_PEM
            ),
        )


def _public(owner: x509.Certificate | PrivateKeyTypes) -> bytes:
    return owner.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
