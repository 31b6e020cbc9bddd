"""Verification: from the raw request that a receiver gets to an event it can trust."""

from __future__ import annotations

import hmac
import re
import time
from typing import List, Literal, NoReturn, Optional, Sequence, Tuple, Union

from winnerr_webhooks_sdk.event import Event, EventHeaders
from winnerr_webhooks_sdk.headers import Headers, HeadersLike
from winnerr_webhooks_sdk.payload import read_event
from winnerr_webhooks_sdk.signatures import (
    PublicKey,
    SecretKey,
    SignatureFormat,
    is_public_key,
    read_ed25519,
    read_standard,
)

Reason = Literal["missing_header", "malformed_header", "no_match", "too_old", "too_new"]
"""Why a request was refused; the same words in every SDK."""

_ID = "webhook-id"
_TIMESTAMP = "webhook-timestamp"
_SIGNATURE = "webhook-signature"
_STANDARD = (_ID, _TIMESTAMP, _SIGNATURE)
_EVENT_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
"""No full stop: it separates the signed parts, so the text could be split at other places."""
_SECONDS = re.compile(r"[0-9]{1,12}")


class VerificationError(Exception):
    """The request was not signed with this secret, or not lately; do not act on it.

    `reason` is one word for programs. The text says what it means and what to do; it holds
    neither secret nor signature, so it may be logged and sent back.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason

    def __reduce__(self) -> Tuple[object, ...]:
        """Keep the reason when the error travels between processes."""
        return type(self), (self.reason, str(self))


class Webhook:
    """Verifies the requests of one webhook.

    `secret` is the webhook's secret as the settings page shows it, or a list of secrets of which
    any may have signed: give the old and the new one while you rotate. In place of a secret, give
    the public key (`whpk_…`) of a webhook that signs with Ed25519; that needs the package
    `cryptography` (`pip install 'winnerr-webhooks-sdk[ed25519]'`). `tolerance` is how many
    seconds the time of signing may lie in the past or in the future.

    `header_prefix`, `signature_header` and `signature_format` are for products that use other
    names than Winnerr's. With `require_timestamp`, requests that carry `X-Winnerr-Signature` alone
    are refused: that scheme signs no time, so it cannot tell a request that is sent again.

    `ValueError` if a secret or a setting cannot be right, `ImportError` for a public key without
    `cryptography`.
    """

    def __init__(
        self,
        secret: Union[str, Sequence[str]],
        tolerance: float = 300,
        *,
        header_prefix: str = "X-Winnerr-",
        signature_header: Optional[str] = None,
        signature_format: str = "sha256={hex}",
        require_timestamp: bool = False,
    ) -> None:
        secrets = [secret] if isinstance(secret, (str, bytes)) else list(secret)
        if not secrets:
            raise ValueError("Give at least one secret.")
        if tolerance < 0:
            raise ValueError("tolerance is a number of seconds, 0 or more.")
        self._keys = [SecretKey(one) for one in secrets if not is_public_key(one)]
        self._public_keys = [PublicKey(one) for one in secrets if is_public_key(one)]
        self._tolerance = tolerance
        self._prefix = header_prefix
        self._signature_header = signature_header or f"{header_prefix}Signature"
        self._format = SignatureFormat(signature_format)
        self._require_timestamp = require_timestamp

    def verify(self, body: bytes, headers: HeadersLike, *, now: Optional[float] = None) -> Event:
        """Return the event of a request that is genuine; `VerificationError` if it is not.

        `body` is the raw body: the bytes as they came, before anything parsed them. `headers` is a
        mapping or a list of pairs, with names in any case. `now` is the time to judge by in
        seconds since 1970, for requests that were stored; left out, it is now.

        `PayloadError` if the signature is right but the body is no event.
        """
        body = _raw(body)
        given = Headers(headers)
        if any(given.all(name) for name in _STANDARD):
            event_id, signed_at = self._verify_standard(body, given, now)
        else:
            self._verify_own(body, given)
            event_id, signed_at = None, None
        return read_event(body, EventHeaders.read(given, self._prefix, event_id, signed_at))

    def _verify_standard(
        self, body: bytes, headers: Headers, now: Optional[float]
    ) -> Tuple[str, int]:
        """Judge by Standard Webhooks: the id and the time that were signed."""
        for name in _STANDARD:
            _require(headers, name)
        event_id, timestamp, signature = (_one(headers, name) for name in _STANDARD)
        if not _EVENT_ID.fullmatch(event_id):
            _malformed(_ID, "an id of letters, digits, _ and -")
        if not _SECONDS.fullmatch(timestamp):
            _malformed(_TIMESTAMP, "whole seconds since 1970")
        texts = read_standard(signature)
        if texts is None:
            _malformed(_SIGNATURE, "entries such as v1,<base64>, with a space between them")
        expected = [key.sign_standard(event_id, timestamp, body) for key in self._keys]
        signatures = read_ed25519(signature) if self._public_keys else []
        if not _any_equal(texts, expected) and not any(
            key.verifies(one, event_id, timestamp, body)
            for key in self._public_keys
            for one in signatures
        ):
            if self._keys and not texts and not signatures:
                _no_entry("v1", "a secret", "If the webhook signs with Ed25519 (v1a), give")
            if not self._keys and not signatures:
                _no_entry("v1a", "a public key", "If the webhook signs with HMAC (v1), give")
            _no_match(_SIGNATURE)
        self._check_time(int(timestamp), time.time() if now is None else now)
        return event_id, int(timestamp)

    def _verify_own(self, body: bytes, headers: Headers) -> None:
        """Judge by the product's own header, and by its twin while the secret is rotated."""
        names = (self._signature_header, f"{self._signature_header}-Next")
        given = [name for name in names if headers.all(name)]
        if not given or self._require_timestamp:
            self._missing_signature(given)
        texts = []
        for name in given:
            text = self._format.read(_one(headers, name))
            if text is None:
                _malformed(name, f"of the form {self._format.text}")
            texts.append(text)
        digests = [key.sign_body(body) for key in self._keys]
        matches = [self._format.matches(text, one) for text in texts for one in digests]
        if True not in matches:
            _no_match(self._signature_header)

    def _missing_signature(self, given: List[str]) -> NoReturn:
        if given:
            raise VerificationError(
                "missing_header",
                f"The request has {given[0]} but no {_TIMESTAMP}, and require_timestamp is set. "
                "If the sender sends the webhook-… headers, something between removes them.",
            )
        raise VerificationError(
            "missing_header",
            f"The request has neither {_SIGNATURE} nor {self._signature_header}. Does the webhook "
            "have a secret? If it does, look whether a proxy removes the headers, and whether the "
            "product uses another header_prefix or signature_header.",
        )

    def _check_time(self, signed_at: int, now: float) -> None:
        age = now - signed_at
        if abs(age) <= self._tolerance:
            return
        how = f"{abs(age):.0f} s {'ago' if age > 0 else 'ahead of this machine'}"
        raise VerificationError(
            "too_old" if age > 0 else "too_new",
            f"The signature is right, but the request was signed {how}, and tolerance is "
            f"{self._tolerance:g} s. Check this machine's clock (NTP). "
            + (
                "If it is right, somebody may be sending an old request again: do not act on it."
                if age > 0
                else "If it is right, the sender's clock is wrong."
            ),
        )


def _raw(body: bytes) -> bytes:
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    raise TypeError(
        f"body has to be the raw bytes of the request, not {type(body).__name__}. What was decoded "
        "or parsed cannot be verified: take await request.body() in Starlette and FastAPI, "
        "request.body in Django, request.get_data() in Flask."
    )


def _require(headers: Headers, name: str) -> None:
    """Refuse a request without this header of Standard Webhooks."""
    if not headers.all(name):
        raise VerificationError(
            "missing_header",
            f"The request has no {name}, but it has other webhook-… headers. Look whether a proxy "
            "removes it. Without a secret the webhook is not signed: set one on the settings page.",
        )


def _one(headers: Headers, name: str) -> str:
    """Return the value of a header that is there; it has to be there once."""
    values = headers.all(name)
    if len(values) > 1:
        _malformed(name, "there once")
    return values[0]


def _malformed(name: str, form: str) -> NoReturn:
    raise VerificationError(
        "malformed_header",
        f"{name} is not {form}. Pass the headers as they came; if they are, something on the way "
        "changed this one, or the request is not from the product.",
    )


def _no_entry(version: str, kind: str, otherwise: str) -> NoReturn:
    other = "the public key (whpk_…) that its page shows" if version == "v1" else "its secret"
    raise VerificationError(
        "no_match",
        f"{_SIGNATURE} has no {version} entry, the one kind that {kind} verifies. {otherwise} "
        f"{other}.",
    )


def _no_match(name: str) -> NoReturn:
    raise VerificationError(
        "no_match",
        f"{name} does not match this body and secret. Most often the body is not the raw one: "
        "verify the bytes as they came, before anything parses, decodes or trims them. "
        "Otherwise compare the secret with the one on the settings page, and if it was rotated, "
        "give both.",
    )


def _any_equal(given: Sequence[str], expected: Sequence[str]) -> bool:
    """Compare all with all, in a time that does not depend on what matches."""
    return True in [hmac.compare_digest(one, other) for one in given for other in expected]
