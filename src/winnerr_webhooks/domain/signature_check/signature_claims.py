"""Reads the signatures of a request, also those that are written wrongly.

The product's own header has to be written in its `SignatureFormat`, such as `sha256=` and 64
lower-case hexadecimal digits, and each entry of `webhook-signature` has to be `v1,` and base64 with
padding. A claim is any text that still holds the 32 bytes of a SHA-256.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from winnerr_webhooks.domain.branding import STANDARD_FORMAT, Branding, SignatureFormat

OWN: Final = "own"
STANDARD: Final = "standard"
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_PREFIX: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,15}\s?[=:,]\s?|[A-Za-z][A-Za-z0-9-]{0,15} ")
_TIME: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_ID: Final = re.compile(r"[!-\-/-~]{1,255}")
"""Visible ASCII without a full stop, which separates what Standard Webhooks signs."""
_HEX: Final = re.compile(rb"[0-9A-Fa-f]{64}")
_OTHER_VERSION: Final = re.compile(r"v(?!1,)[0-9]+[a-z]*,[^,]+")
"""An entry that receivers ignore, such as one of Ed25519."""
_MAX_CLAIMS: Final = 8
"""How many signatures of one header are read."""

Pairs = tuple[tuple[str, str], ...]


class Claim(NamedTuple):
    """One signature, as it is written."""

    digest: bytes
    prefix: str
    encoding: str
    """`hex`, `HEX` (upper case or hyphens), `base64`, `base64url` (also without padding), or
    `base64 of hex`."""
    suffix: str = ""
    is_next: bool = False
    """Whether it is of the `…-Next` header, which the new secret signs during a rotation."""

    def mistakes(self, form: SignatureFormat) -> tuple[str, ...]:
        """Return the mistakes of writing it so where a format is expected."""
        around = (self.prefix, self.suffix) != (form.prefix, form.suffix)
        wrong = (("encoding", self.encoding != form.encoding), ("prefix", around))
        return tuple(name for name, is_wrong in wrong if is_wrong)


class SignatureHeader(NamedTuple):
    """A header of the request that holds signatures, or a signature given alone."""

    name: str
    schemes: tuple[str, ...]
    """The schemes that it may belong to."""
    claims: tuple[Claim, ...]
    """Empty if it holds no SHA-256 in any encoding."""


class RequestHeaders(NamedTuple):
    """What the headers of a request say about its signature."""

    branding: Branding
    """How the product names and writes its own signature."""
    signatures: tuple[SignatureHeader, ...]
    event_id: str | None
    time: str | None
    missing: tuple[str, ...] = ()
    """Names of headers that have to be there beside those that are."""
    malformed: tuple[str, ...] = ()
    """Names of headers that no receiver accepts."""

    def form(self, scheme: str) -> SignatureFormat:
        """Return how a scheme writes its signatures."""
        return STANDARD_FORMAT if scheme == STANDARD else self.branding.signature_format

    @property
    def seconds(self) -> int | None:
        """When it was signed, in seconds since 1970."""
        return int(self.time) if self.time and _TIME.fullmatch(self.time) else None


def parse_headers(text: str) -> tuple[Pairs, str | None]:
    """Read pasted text: header lines, a JSON object of headers, or a signature alone.

    Returns the headers, and the signature if the text is nothing else.
    """
    text = text.strip()
    if text.startswith("{"):
        try:
            members = json.loads(text)
        except (ValueError, RecursionError):
            members = {}
        return tuple((str(name), _text(value)) for name, value in members.items()), None
    lines = [line.strip(" \t\r,;'\"\\") for line in text.split("\n")]
    parts = [line.removeprefix("-H").lstrip(" '\"").partition(":") for line in lines]
    pairs = tuple(
        (name.strip(" '\""), value.strip().strip("'\""))
        for name, colon, value in parts
        if colon and _NAME.fullmatch(name.strip(" '\""))
    )
    is_signature = len(text.split()) == 1 and _claim(text) is not None
    return ((), text) if is_signature or not pairs else (pairs, None)


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def read_headers(pairs: Iterable[tuple[str, str]], branding: Branding) -> RequestHeaders:
    """Find the signatures among all headers.

    Names are compared as `HTTP_X_ACME_SIGNATURE` and `x-acme-signature` both write them.
    """
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        plain = name.lower().replace("_", "-").removeprefix("http-")
        values.setdefault(plain, []).append(value.strip(" \t"))
    own_name, form = branding.signature_header, branding.signature_format
    own = own_name.lower().replace("_", "-")
    following = f"{own}-next"
    signatures = []
    if own in values or following in values:
        claims = _claims(values.get(own, []), form)
        claims += tuple(
            one._replace(is_next=True) for one in _claims(values.get(following, []), form)
        )
        signatures.append(SignatureHeader(own_name, (OWN,), claims))
    if "webhook-signature" in values:
        entries = " ".join(values["webhook-signature"]).split()
        claims = _claims(entries, STANDARD_FORMAT)
        signatures.append(SignatureHeader("webhook-signature", (STANDARD,), claims))
    standard = ("webhook-id", "webhook-timestamp", "webhook-signature")
    there = [name for name in standard if name in values]
    missing = tuple(name for name in standard if there and name not in values)
    if not there and not signatures:
        missing = (own_name,)
    return RequestHeaders(
        branding,
        tuple(signatures),
        _first(values, "webhook-id"),
        _first(values, "webhook-timestamp"),
        missing,
        tuple(_malformed(values, (own, following, *standard), form)),
    )


def read_signature(
    text: str, branding: Branding, event_id: str | None = None, time: str | None = None
) -> RequestHeaders:
    """Read a signature that is given alone; it may be of either scheme."""
    schemes = (OWN, STANDARD) if event_id and time else (OWN,)
    claim = _claim(text, branding.signature_format)
    header = SignatureHeader("signature", schemes, (claim,) if claim else ())
    return RequestHeaders(branding, (header,), event_id, time)


def _first(values: dict[str, list[str]], name: str) -> str | None:
    return values[name][0] if name in values else None


def _malformed(
    values: dict[str, list[str]], names: Iterable[str], form: SignatureFormat
) -> Iterable[str]:
    """Yield the names of headers that occur twice, or hold what a receiver has to refuse."""
    for name in names:
        found = values.get(name, [])
        if len(found) > 1 or (found and not _is_well_formed(name, found[0], form)):
            yield name


def _is_well_formed(name: str, value: str, form: SignatureFormat) -> bool:
    """Whether receivers can read a header; a signature may still be written wrongly."""
    if name == "webhook-id":
        return _ID.fullmatch(value) is not None
    if name == "webhook-timestamp":
        return _TIME.fullmatch(value) is not None
    entries = value.split() if name == "webhook-signature" else [value]
    return all(_OTHER_VERSION.fullmatch(entry) or _claim(entry, form) for entry in entries)


def _claims(texts: list[str], form: SignatureFormat) -> tuple[Claim, ...]:
    found = (_claim(text, form) for text in texts[:_MAX_CLAIMS])
    return tuple(claim for claim in found if claim is not None)


def _claim(text: str, form: SignatureFormat = STANDARD_FORMAT) -> Claim | None:
    """Read a signature, in the form that is expected or in another that receivers write."""
    text = text.strip()
    if text.startswith(form.prefix) and text.endswith(form.suffix):
        found = _digest(text[len(form.prefix) : len(text) - len(form.suffix)])
        if found is not None:
            return Claim(found[0], form.prefix, found[1], form.suffix)
    text = text.strip("'\"`")
    prefix = _PREFIX.match(text)
    for start in ((prefix.end(),) if prefix else ()) + (0,):
        found = _digest(text[start:])
        if found is not None:
            return Claim(found[0], text[:start], found[1])
    return None


def _digest(text: str) -> tuple[bytes, str] | None:
    """Return the 32 bytes of a SHA-256 and their encoding."""
    plain = (
        text.replace("-", "") if re.fullmatch("[0-9A-Fa-f]{2}(-[0-9A-Fa-f]{2}){31}", text) else text
    )
    if re.fullmatch("[0-9A-Fa-f]{64}", plain):
        return bytes.fromhex(plain), "hex" if plain == text == text.lower() else "HEX"
    if re.fullmatch("[A-Za-z0-9+/]{86}==", text):
        inner = base64.b64decode(text)
        return (bytes.fromhex(inner.decode()), "base64 of hex") if _HEX.fullmatch(inner) else None
    if not re.fullmatch("[A-Za-z0-9+/_-]{43}=?", text):
        return None
    try:
        digest = base64.urlsafe_b64decode(
            text.rstrip("=").replace("+", "-").replace("/", "_") + "="
        )
    except binascii.Error:
        return None
    return digest, "base64" if base64.b64encode(digest).decode() == text else "base64url"
