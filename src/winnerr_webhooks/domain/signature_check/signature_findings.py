"""Says what is wrong with a request's signatures, from the readings with which they fit."""

from collections.abc import Iterator
from typing import NamedTuple

from winnerr_webhooks.domain.branding import SignatureFormat
from winnerr_webhooks.domain.signature_check import signature_texts as texts
from winnerr_webhooks.domain.signature_check.body_readings import BodyReading, Rewritten
from winnerr_webhooks.domain.signature_check.secret_readings import PREVIOUS, SecretReading
from winnerr_webhooks.domain.signature_check.signature_claims import (
    Claim,
    RequestHeaders,
    SignatureHeader,
)
from winnerr_webhooks.domain.signature_check.signature_texts import Finding
from winnerr_webhooks.domain.signature_check.signed_texts import SignedText


class Match(NamedTuple):
    """The readings of signed text, body, secret and signature with which a header fits."""

    header: SignatureHeader
    claim: Claim
    text: SignedText
    secret: SecretReading
    body: BodyReading


def explain(match: Match, headers: RequestHeaders, given: Rewritten | None) -> Iterator[Finding]:
    """Yield each mistake that a match undoes, that of the signed text first."""
    if match.text.detail:
        explanation, remedy = texts.SIGNED_CONTENT
        yield _finding("signed_content", explanation.format(text=match.text.detail), remedy)
    for name in match.body.mistakes:
        yield _of_body(name, match.body.detail, given)
    for name in match.secret.mistakes:
        yield _of_secret(name, match.secret)
    yield from _of_form(match.claim, headers.form(match.text.scheme))


def explain_failure(
    header: SignatureHeader,
    headers: RequestHeaders,
    matches: list[Match],
    given: Rewritten | None,
    *,
    is_secret_known: bool,
) -> Iterator[Finding]:
    """Yield what is most likely wrong with a signature that nothing fits."""
    if not header.claims:
        explanation, remedy = texts.NO_DIGEST
        yield _finding("malformed_header", explanation.format(header=header.name), remedy)
        return
    if len(header.schemes) == 1:
        yield from _of_form(header.claims[0], headers.form(header.schemes[0]))
    if matches:
        explanation = f"{matches[0].header.name} fits, but {header.name} does not."
        yield _finding("changed_header", explanation, texts.OTHER_HEADERS)
    elif given is None:
        yield _finding("changed_body", *texts.NOT_JSON)
    elif not given.is_payload:
        yield _finding("changed_body", *texts.NOT_A_PAYLOAD)
    elif not given.is_as_sent:
        lost = texts.UNFOUND_CHANGE if given.value is not None else ""
        explanation = f"The body is not what was sent: it is written {given.formatting}.{lost}"
        yield _finding("reserialized", explanation, texts.RAW_BODY)
    elif is_secret_known:
        yield _finding("changed_body", *texts.OTHER_REQUEST)
    else:
        untried = texts.NO_TIME if headers.time is None else ""
        yield _finding("wrong_secret", texts.NOTHING_FITS + untried, texts.COPY_FROM_PAGE)


def explain_headers(headers: RequestHeaders, age: int | None, tolerance: int) -> Iterator[Finding]:
    """Yield what is wrong beside the signatures; `age` is in seconds, None if it is not known."""
    if headers.missing:
        names = " and ".join(headers.missing)
        yield _finding("missing_header", f"The request has no {names}.", texts.MISSING_HEADERS)
    if headers.malformed:
        explanation, remedy = texts.MALFORMED_HEADERS
        names = " and ".join(headers.malformed)
        yield _finding("malformed_header", explanation.format(names=names), remedy)
    if age is not None and abs(age) > tolerance:
        name, (explanation, remedy) = (
            ("too_old", texts.TOO_OLD) if age > 0 else ("too_new", texts.TOO_NEW)
        )
        values = {"age": _span(abs(age)), "tolerance": _span(tolerance)}
        yield _finding(name, explanation.format(**values), remedy)


def _finding(name: str, explanation: str, remedy: str) -> Finding:
    return Finding(name=name, explanation=explanation, remedy=remedy)


def _of_body(name: str, detail: str, given: Rewritten | None) -> Finding:
    if name == "reserialized":
        return _finding(name, _rewritten(detail, given), texts.RAW_BODY)
    kind, _, what = detail.partition(":")
    if name == "changed_body" and kind == "wrapped":
        return _finding(
            name, f"The body was {what}. With that undone, the signature fits.", texts.RAW_BODY
        )
    has_it, is_of_it, remedy = texts.BODIES[name]
    given_has_it = detail == "body_has_more" or (given is not None and name in given.mistakes)
    return _finding(name, has_it if given_has_it else is_of_it, remedy)


def _rewritten(detail: str, given: Rewritten | None) -> str:
    now = f" The body here is written {given.formatting}." if given is not None else ""
    kind, _, what = detail.partition(":")
    match kind:
        case "text":
            return f"The signature was computed over {what} and not over the body."
        case "sent":
            return f"The same JSON was sent in other bytes.{now}"
        case "lost":
            return (
                f"The JSON was parsed and written again, which {what}. With that undone, the "
                f"signature fits.{now}"
            )
        case _:
            return (
                "The JSON was parsed and written again. The signature fits when it is written "
                f"{detail}.{now}"
            )


def _of_secret(name: str, reading: SecretReading) -> Finding:
    if reading.detail and name == reading.mistakes[-1]:
        return _finding(name, *texts.SECRETS[reading.detail])
    if reading.role == PREVIOUS:
        return _finding(name, *texts.PREVIOUS_SECRET)
    return _finding(name, texts.SIGNED_WITH_ANOTHER, texts.COPY_FROM_PAGE)


def _of_form(claim: Claim, form: SignatureFormat) -> Iterator[Finding]:
    encoding, how = texts.HOW_TO_ENCODE[form.encoding]
    for name in claim.mistakes(form):
        if name == "prefix":
            found = f"begins with `{claim.prefix}`" if claim.prefix else "has no prefix"
            if form.suffix or not form.prefix:
                explanation = f"The signature {found}. It has to be written as `{form}`."
                remedy = f"Write what you compute as `{form}`, and compare the whole value."
            else:
                explanation = f"The signature {found}. It has to begin with `{form.prefix}`."
                remedy = (
                    f"Put `{form.prefix}` in front of what you compute, and compare the whole "
                    "value."
                )
        else:
            found = texts.ENCODINGS[claim.encoding]
            explanation = f"The signature is written in {found}. It has to be {encoding}."
            remedy = f"Compute it with {how}."
        yield _finding(name, explanation, remedy)


def _span(seconds: int) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'s' * (count != 1)}"
    return f"{seconds} second{'s' * (seconds != 1)}"
