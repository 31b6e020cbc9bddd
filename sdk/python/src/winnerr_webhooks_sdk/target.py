"""Where the API is."""

from __future__ import annotations

import ssl
from typing import Optional
from urllib.parse import urlsplit

from winnerr_webhooks_sdk.errors import EmitError


class Target:
    """Where the API is, how certificates are verified, and what every request carries.

    `ValueError` for a wrong URL or key.
    """

    def __init__(self, url: str, key: str, context: Optional[ssl.SSLContext]) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                f"url is the API's address, such as https://webhooks.example.com; this is {url!r}."
            )
        if not (key and key.isascii() and key.isprintable() and key == key.strip()):
            raise ValueError(
                "key is an API key, as winnerr-webhooks keys create prints it. "
                "This one is empty or has a character that no key has."
            )
        self.context: Optional[ssl.SSLContext] = None
        """How certificates are verified; None: without TLS."""
        if parts.scheme == "https":
            self.context = context or ssl.create_default_context()
        self.host = parts.hostname
        self.port = parts.port or (443 if self.context else 80)
        self.path = parts.path.rstrip("/")
        self.authority = parts.netloc.rpartition("@")[2]
        self.headers = {
            "Host": self.authority,
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "User-Agent": "winnerr-webhooks-sdk-python",
        }

    def untrusted(self, error: ssl.SSLCertVerificationError) -> EmitError:
        """Return the error for a certificate that does not hold."""
        return EmitError(
            f"The certificate of {self.authority} cannot be trusted: {error.verify_message}. "
            "For a certificate of your own authority, pass context=ssl.create_default_context("
            "cafile=…)."
        )
