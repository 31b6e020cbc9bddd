"""Finds out why a signature does not match, by trying the mistakes that receivers make.

The search combines readings of the body, of the secret and of the signature's own text, those with
the fewest mistakes first, until each signature of the request is explained. The work is bounded:
it ends when it has hashed and written so many bytes.
"""

from collections.abc import Iterable
from hmac import digest
from typing import Final

import msgspec

from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.signature_check.body_readings import (
    BodyReading,
    Rewritten,
    restored_readings,
    rewritten,
    rewritten_readings,
    simple_readings,
)
from winnerr_webhooks.domain.signature_check.secret_readings import (
    GIVEN,
    SecretReading,
    secret_readings,
)
from winnerr_webhooks.domain.signature_check.signature_claims import STANDARD, Claim, RequestHeaders
from winnerr_webhooks.domain.signature_check.signature_findings import (
    Match,
    explain,
    explain_failure,
    explain_headers,
)
from winnerr_webhooks.domain.signature_check.signature_texts import Finding
from winnerr_webhooks.domain.signature_check.signed_texts import (
    SignedText,
    right_texts,
    wrong_texts,
)
from winnerr_webhooks.domain.text import Text

MAX_BODY: Final = 1 << 20
"""The largest body in bytes: four times the largest payload, so that an indented one fits."""
MOST_BYTES: Final = 64 << 20
"""How many bytes a search hashes and writes; about half a second."""
TOLERANCE: Final = 300
"""Seconds between signing and receipt that receivers accept (Standard Webhooks 1.0)."""
_AS_SENT: Final = ("", "body_has_more", "sent")
"""The readings of a body with which other signed texts are tried first, by their detail."""

Texts = dict[str, list[SignedText]]
"""What may have been signed, by the name of the header that holds the signature."""


class SignatureCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about the signatures of a request."""

    valid: bool
    mistakes: tuple[Finding, ...]
    """Each mistake by name, with what to change; empty if the signature is valid."""
    notes: tuple[str, ...] = ()
    """What is good to know, though no mistake."""
    proven: bool
    """Whether the signature fits once the mistakes are undone."""
    trials: int
    """How many signatures were computed."""
    complete: bool
    """Whether everything was tried; False if the body was too large for that."""


def check_signature(
    *,
    body: bytes,
    headers: RequestHeaders,
    secret: str,
    current: str | None = None,
    previous: str | None = None,
    sent: bytes | None = None,
    now: int,
    tolerance: int = TOLERANCE,
    most_bytes: int = MOST_BYTES,
) -> SignatureCheck:
    """Check the signatures of a request, and name the mistakes if one does not match.

    `secret` is what the receiver uses, `current` and `previous` what the sender is known to use,
    and `sent` is the body that was sent, as far as these are known. `now` is when the request was
    received, in seconds since 1970. Raises `Invalid` if the body is larger than `MAX_BODY`.
    """
    if len(body) > MAX_BODY:
        raise Invalid.field("/body", f"The body is larger than {MAX_BODY >> 20} MiB.")
    search = _Search(headers, most_bytes)
    secrets = secret_readings(secret, current, previous)
    plain = [reading for reading in secrets if not reading.detail]
    given = rewritten(body)
    event_time = None if given is None else given.event_time
    signed = headers.signatures
    right = {header.name: right_texts(header, headers) for header in signed}
    wrong = {header.name: wrong_texts(header, headers, event_time) for header in signed}
    simple = list(simple_readings(body, sent))
    search.run_by_likelihood(simple, secrets, right)
    search.run([one for one in simple if one.detail in _AS_SENT], plain, wrong)
    if given is not None and given.value is not None:
        search.run(rewritten_readings(given), plain, right)
        search.run(rewritten_readings(given), secrets, right)
        search.run(restored_readings(given), plain, right)
    search.run_by_likelihood(simple, secrets, wrong)
    if given is not None and given.value is not None:
        search.run(rewritten_readings(given), plain, wrong)
    return _conclude(search, headers, given, is_secret_known=current is not None,
                     now=now, tolerance=tolerance)  # fmt: skip


class _Search:
    """Tries one combination after another, and keeps the first that fits each header."""

    def __init__(self, headers: RequestHeaders, most_bytes: int) -> None:
        self.open = {header.name: header for header in headers.signatures if header.claims}
        self.found: dict[str, Match] = {}
        self.trials = 0
        self._left = most_bytes
        self._seen: set[tuple[bytes, int]] = set()

    @property
    def exhausted(self) -> bool:
        """Whether the allowed work is done."""
        return self._left < 0

    def run_by_likelihood(
        self, bodies: list[BodyReading], secrets: list[SecretReading], texts: Texts
    ) -> None:
        """Try all pairs, those with the fewest mistakes first."""
        if not self.open:
            return
        pairs = [(body, secret) for body in bodies for secret in secrets]
        pairs.sort(key=lambda pair: len(pair[0].mistakes) + len(pair[1].mistakes))
        for body, secret in pairs:
            self._try(body, secret, texts)

    def run(
        self, bodies: Iterable[BodyReading], secrets: list[SecretReading], texts: Texts
    ) -> None:
        """Try all pairs, body by body."""
        if not self.open:
            return
        for body in bodies:
            self._left -= len(body.body)
            for secret in secrets:
                self._try(body, secret, texts)
            if self.exhausted or not self.open:
                return

    def _try(self, body: BodyReading, secret: SecretReading, texts: Texts) -> None:
        for header in list(self.open.values()):
            for text in texts[header.name]:
                key = secret.keys.get(text.key)
                if key is None or self.exhausted:
                    continue
                content = text.start + body.body
                self._left -= len(content) + 256  # what a short HMAC costs beside its bytes
                self.trials += 1
                made = digest(key, content, "sha256")
                claim = _matching(header.claims, made)
                if claim is not None:
                    self.found[header.name] = Match(header, claim, text, secret, body)
                    self.open.pop(header.name, None)
                    break


def _matching(claims: tuple[Claim, ...], made: bytes) -> Claim | None:
    return next((claim for claim in claims if claim.digest == made), None)


def _conclude(
    search: _Search,
    headers: RequestHeaders,
    given: Rewritten | None,
    *,
    is_secret_known: bool,
    now: int,
    tolerance: int,
) -> SignatureCheck:
    matches = list(search.found.values())
    findings = {one.name: one for match in matches for one in explain(match, headers, given)}
    failed = [header for header in headers.signatures if header.name not in search.found]
    for header in failed:
        for one in explain_failure(
            header, headers, matches, given, is_secret_known=is_secret_known
        ):
            findings.setdefault(one.name, one)
    age = None if headers.seconds is None else now - headers.seconds
    is_timed = any(match.text.scheme == STANDARD and not match.text.detail for match in matches)
    for one in explain_headers(headers, age if is_timed else None, tolerance):
        findings.setdefault(one.name, one)
    return SignatureCheck(
        valid=not findings,
        mistakes=tuple(one.about(headers.branding.signature_header) for one in findings.values()),
        notes=tuple(_notes(matches)),
        proven=not failed and bool(matches),
        trials=search.trials,
        complete=not (failed and search.exhausted),
    )


def _notes(matches: list[Match]) -> Iterable[str]:
    for match in matches:
        if match.claim.is_next and match.secret.role == GIVEN:
            yield Text(
                "The secret is being rotated: it signs {header}-Next. Until the rotation ends, the "
                "previous secret signs {header}.",
                header=match.header.name,
            )
