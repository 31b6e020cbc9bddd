"""Branding: the product's own name, and how it writes its headers and its signature.

Receivers see it in every request, and people on the settings page, in the API reference and in
errors. Texts that are written before the brand is known say `X-…-Event` for one of its headers.
"""

import base64
import re
import unicodedata
from typing import Final

import msgspec

HEX: Final = "hex"
BASE64: Final = "base64"
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_AFTER_PREFIX: Final = ("Event", "Delivery", "Webhook", "Attempt", "Test")
"""The headers besides the signature's, by what follows the prefix."""
_RESERVED: Final = frozenset(
    ("accept", "accept-encoding", "authorization", "connection", "content-encoding",
     "content-length", "content-type", "cookie", "date", "expect", "host", "keep-alive",
     "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
     "user-agent", "webhook-id", "webhook-signature", "webhook-timestamp")
)  # fmt: skip
"""Names of HTTP framing, and of the other headers of a request, in lower case."""
_FREE: Final = frozenset(("authorization", "cookie", "date"))
"""Names of HTTP that a webhook may have as a header of its own."""


class SignatureFormat(msgspec.Struct, frozen=True):
    """How a signature is written: the encoded HMAC-SHA256, and the text around it."""

    prefix: str
    encoding: str
    """`hex` (lower case) or `base64` (RFC 4648, section 4, with padding)."""
    suffix: str = ""

    def write(self, digest: bytes) -> str:
        """Return the header's value for a digest."""
        encoded = digest.hex() if self.encoding == HEX else base64.b64encode(digest).decode()
        return f"{self.prefix}{encoded}{self.suffix}"

    def __str__(self) -> str:
        """As the setting SIGNATURE_FORMAT writes it."""
        return f"{self.prefix}{{{self.encoding}}}{self.suffix}"


STANDARD_FORMAT: Final = SignatureFormat("v1,", BASE64)
"""A signature of Standard Webhooks 1.0."""


class Branding(msgspec.Struct, frozen=True):
    """The product's own name and the names of its headers; `make_branding` checks them."""

    name: str
    header_prefix: str
    """Of the headers of every request, such as `X-Acme-`."""
    signature_header: str
    signature_format: SignatureFormat

    def header(self, what: str) -> str:
        """Return the name of a header: `Event`, `Delivery`, `Webhook`, `Attempt` or `Test`."""
        return self.header_prefix + what

    def reserves(self, name: str) -> bool:
        """Whether a webhook may not have a header of this name: it is ours, or of HTTP framing."""
        lower = name.lower()
        own = (self.header_prefix.lower(), "webhook-")
        signature = self.signature_header.lower()
        return (
            (lower in _RESERVED and lower not in _FREE)
            or lower.startswith(own)
            or lower in (signature, f"{signature}-next")
        )

    @property
    def product(self) -> str:
        """The product in `User-Agent`, a token (RFC 9110, section 10.1.5)."""
        return f"{_ascii_token(self.name)}-Webhooks".lstrip("-")

    @property
    def secret_variable(self) -> str:
        """The environment variable from which code examples read the secret."""
        name = _ascii_token(self.name).upper().replace("-", "_")
        return f"{name}_WEBHOOK_SECRET" if name[:1].isalpha() else "WEBHOOK_SECRET"

    def fill(self, text: str) -> str:
        """Return a text with the product's headers in place of `X-…-Event` and the others."""
        own = text.replace("X-…-Signature", self.signature_header)
        return own.replace("X-…-", self.header_prefix)


def make_branding(
    name: str, header_prefix: str, signature_header: str, signature_format: SignatureFormat
) -> Branding:
    """Put the settings together; an empty name of a header means the one that follows from `name`.

    Raises `ValueError` that names the setting, if no header follows from the name or two headers
    have the same name.
    """
    token = _ascii_token(name)
    if not header_prefix and not token:
        raise ValueError(
            f"HEADER_PREFIX: no header name can be made of BRAND={name!r}. Set HEADER_PREFIX, such "
            "as X-Acme-"
        )
    prefix = header_prefix or f"X-{token}-"
    branding = Branding(name, prefix, signature_header or f"{prefix}Signature", signature_format)
    _check_names(branding)
    return branding


def parse_signature_format(text: str) -> SignatureFormat:
    """Parse `sha256={hex}`: `{hex}` or `{base64}` once, with any text around it.

    Raises `ValueError` that says what was expected.
    """
    found = _PLACEHOLDER.findall(text)
    if len(found) != 1 or found[0] not in (HEX, BASE64):
        raise ValueError(
            "expected {hex} or {base64} exactly once, such as sha256={hex}; nothing else can stand "
            "in braces"
        )
    prefix, suffix = _PLACEHOLDER.split(text)[::2]
    if not (text.isascii() and text.isprintable()) or "{" in prefix + suffix or "}" in suffix:
        raise ValueError("expected printable ASCII characters around {hex} or {base64}")
    return SignatureFormat(prefix, found[0], suffix)


def _check_names(branding: Branding) -> None:
    signature = branding.signature_header
    names = [("HEADER_PREFIX", branding.header(what)) for what in _AFTER_PREFIX]
    names += [("SIGNATURE_HEADER", signature), ("SIGNATURE_HEADER", f"{signature}-Next")]
    taken: set[str] = set()
    for setting, name in names:
        if name.lower() in _RESERVED:
            raise ValueError(
                f"{setting}: {name} is a header of HTTP or of Standard Webhooks. Choose another"
            )
        if name.lower() in taken:
            raise ValueError(f"{setting}: two headers of a request would be {name}. Choose another")
        taken.add(name.lower())


def _ascii_token(name: str) -> str:
    """Return the name as letters, digits and hyphens; empty if it has letters of other scripts."""
    parts = unicodedata.normalize("NFKD", name)
    plain = "".join(part for part in parts if not unicodedata.combining(part))
    if any(part.isalnum() and not part.isascii() for part in plain):
        return ""
    return re.sub("[^A-Za-z0-9]+", "-", plain).strip("-")
