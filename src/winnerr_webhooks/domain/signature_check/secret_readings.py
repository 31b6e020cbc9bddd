"""The keys that receivers make of a secret, right and wrong.

The product's own signature is keyed with the UTF-8 of the whole secret. Standard Webhooks is keyed
with the base64-decoded rest of a `whsec_` secret, and with the UTF-8 of any other.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from winnerr_webhooks.domain.signature_check.signature_claims import OWN, STANDARD
from winnerr_webhooks.domain.signing import SECRET_PREFIX

GIVEN: Final = "given"
CURRENT: Final = "current"
PREVIOUS: Final = "previous"
_ROLE_MISTAKES: Final = {GIVEN: (), CURRENT: ("wrong_secret",), PREVIOUS: ("previous_secret",)}


class SecretReading(NamedTuple):
    """Keys made of one secret, one for each scheme."""

    role: str
    """Whose secret it is: the receiver's (`given`), or the sender's `current` or `previous` one."""
    mistakes: tuple[str, ...]
    detail: str
    """What was done with the secret, as `signature_texts` names it; empty if nothing was."""
    keys: dict[str, bytes]

    def __repr__(self) -> str:
        """Leave the keys out: a repr may end up in a log."""
        return f"SecretReading({self.role}, {self.mistakes})"


def secret_readings(
    given: str, current: str | None = None, previous: str | None = None
) -> list[SecretReading]:
    """Return every reading of the secrets, those with the fewest mistakes first."""
    secrets = ((GIVEN, given), (PREVIOUS, previous), (CURRENT, current))
    found: list[SecretReading] = []
    tried: set[str] = set()
    for role, secret in secrets:
        if secret and secret not in tried:
            tried.add(secret)
            found += _readings(role, secret)
    return sorted(found, key=_likelihood)


def _likelihood(reading: SecretReading) -> tuple[int, bool]:
    """A sender's other secret explains less than white space in the receiver's own."""
    return len(reading.mistakes), reading.role != GIVEN


def _readings(role: str, secret: str) -> Iterator[SecretReading]:
    mistakes = _ROLE_MISTAKES[role]
    yield SecretReading(role, mistakes, "", _right_keys(secret))
    trimmed = secret.strip().strip("\u200b\ufeff\xa0")
    if trimmed != secret:
        yield _reading(role, "whitespace_in_secret", "has_whitespace", _right_keys(trimmed))
    for end in ("\n", "\r\n"):
        yield _reading(role, "whitespace_in_secret", "line_break_used", _all(secret + end))
    unquoted = trimmed.strip("'\"")
    if unquoted != trimmed and unquoted:
        yield _reading(role, "wrong_secret", "has_quotes", _right_keys(unquoted))
    if not secret.isascii():
        with suppress(UnicodeError):
            yield _reading(role, "encoding", "key_in_latin1", _same(secret.encode("latin-1")))
    rest = secret.removeprefix(SECRET_PREFIX)
    if rest == secret:
        yield _reading(role, "prefix", "whsec_missing", _right_keys(SECRET_PREFIX + secret))
        if decoded := _decoded(secret):
            yield _reading(role, "encoding", "key_decoded", _same(decoded))
        if re.fullmatch("(?:[0-9A-Fa-f]{2})+", secret):
            yield _reading(role, "encoding", "key_from_hex", _same(bytes.fromhex(secret)))
        return
    yield _reading(role, "prefix", "whsec_removed", _all(rest))
    keys = {STANDARD: secret.encode("utf-8", "surrogateescape")}
    if decoded := _decoded(rest):
        keys[OWN] = decoded
    yield _reading(role, "prefix", "key_of_other_scheme", keys)


def _reading(role: str, mistake: str, detail: str, keys: dict[str, bytes]) -> SecretReading:
    return SecretReading(role, (*_ROLE_MISTAKES[role], mistake), detail, keys)


def _right_keys(secret: str) -> dict[str, bytes]:
    """Return the keys as the documentation says, less that of a `whsec_` without base64."""
    keys = {OWN: secret.encode("utf-8", "surrogateescape")}
    if not secret.startswith(SECRET_PREFIX):
        keys[STANDARD] = secret.encode("utf-8", "surrogateescape")
    elif decoded := _decoded(secret[len(SECRET_PREFIX) :]):
        keys[STANDARD] = decoded
    return keys


def _all(text: str) -> dict[str, bytes]:
    return _same(text.encode("utf-8", "surrogateescape"))


def _same(key: bytes) -> dict[str, bytes]:
    return {OWN: key, STANDARD: key}


def _decoded(text: str) -> bytes:
    """Return base64 decoded; empty if it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
