"""Says what is wrong with a request's signatures, from the readings with which they fit."""

from collections.abc import Iterator, Sequence
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
from winnerr_webhooks.domain.text import NOTHING, Sentences, Text
from winnerr_webhooks.domain.time_spans import time_span


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
        yield _finding("signed_content", explanation.fill(text=match.text.detail), remedy)
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
        yield _finding("malformed_header", explanation.fill(header=header.name), remedy)
        return
    if len(header.schemes) == 1:
        yield from _of_form(header.claims[0], headers.form(header.schemes[0]))
    if matches:
        explanation = Text(
            "{fitting} fits, but {header} does not.",
            fitting=matches[0].header.name,
            header=header.name,
        )
        yield _finding("changed_header", explanation, texts.OTHER_HEADERS)
    elif given is None:
        yield _finding("changed_body", *texts.NOT_JSON)
    elif not given.is_payload:
        yield _finding("changed_body", *texts.NOT_A_PAYLOAD)
    elif not given.is_as_sent:
        lost = texts.UNFOUND_CHANGE if given.value is not None else NOTHING
        explanation = Sentences(
            Text(
                "The body is not what was sent: it is written {formatting}.",
                formatting=given.formatting,
            ),
            lost,
        )
        yield _finding("reserialized", explanation, texts.RAW_BODY)
    elif is_secret_known:
        yield _finding("changed_body", *texts.OTHER_REQUEST)
    else:
        untried = texts.NO_TIME if headers.time is None else NOTHING
        yield _finding("wrong_secret", Sentences(texts.NOTHING_FITS, untried), texts.COPY_FROM_PAGE)


def explain_headers(headers: RequestHeaders, age: int | None, tolerance: int) -> Iterator[Finding]:
    """Yield what is wrong beside the signatures; `age` is in seconds, None if it is not known."""
    if headers.missing:
        missing = Text("The request has no {names}.", names=_listed(headers.missing))
        yield _finding("missing_header", missing, texts.MISSING_HEADERS)
    if headers.malformed:
        explanation, remedy = texts.MALFORMED_HEADERS
        names = _listed(headers.malformed)
        yield _finding("malformed_header", explanation.fill(names=names), remedy)
    if age is not None and abs(age) > tolerance:
        name, (explanation, remedy) = (
            ("too_old", texts.TOO_OLD) if age > 0 else ("too_new", texts.TOO_NEW)
        )
        values = {"age": time_span(abs(age)), "tolerance": time_span(tolerance)}
        yield _finding(name, explanation.fill(**values), remedy)


def _finding(name: str, explanation: Text, remedy: Text) -> Finding:
    return Finding(name=name, explanation=explanation, remedy=remedy)


def _listed(names: Sequence[str]) -> str:
    """Return one or more names in a row, as a part of a sentence."""
    if len(names) == 1:
        return names[0]
    return Text("{first} and {others}", first=names[0], others=_listed(names[1:]))


def _of_body(name: str, detail: str, given: Rewritten | None) -> Finding:
    if name == "reserialized":
        return _finding(name, _rewritten(detail, given), texts.RAW_BODY)
    kind, _, what = detail.partition(":")
    if name == "changed_body" and kind == "wrapped":
        return _finding(
            name,
            Text(
                "The body was {changed}. With that undone, the signature fits.", changed=Text(what)
            ),
            texts.RAW_BODY,
        )
    has_it, is_of_it, remedy = texts.BODIES[name]
    given_has_it = detail == "body_has_more" or (given is not None and name in given.mistakes)
    return _finding(name, has_it if given_has_it else is_of_it, remedy)


def _rewritten(detail: str, given: Rewritten | None) -> Text:
    now = NOTHING
    if given is not None:
        now = Text("The body here is written {formatting}.", formatting=given.formatting)
    kind, _, what = detail.partition(":")
    match kind:
        case "text":
            return Text(
                "The signature was computed over {text} and not over the body.", text=Text(what)
            )
        case "sent":
            return Sentences(Text("The same JSON was sent in other bytes."), now)
        case "lost":
            losses = _listed([Text(loss) for loss in what.split(" and ")])
            lost = Text(
                "The JSON was parsed and written again, which {losses}. With that undone, the "
                "signature fits.",
                losses=losses,
            )
            return Sentences(lost, now)
        case _:
            written = Text(
                "The JSON was parsed and written again. The signature fits when it is written "
                "{formatting}.",
                formatting=detail if isinstance(detail, Text) else Text(detail),
            )
            return Sentences(written, now)


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
            found = texts.HAS_PREFIX.fill(prefix=claim.prefix) if claim.prefix else texts.NO_PREFIX
            wanted, remedy = (
                texts.WHOLE_FORM if form.suffix or not form.prefix else texts.ONLY_PREFIX
            )
            values = {"form": str(form), "prefix": form.prefix}
            yield _finding(name, Sentences(found, wanted.fill(**values)), remedy.fill(**values))
        else:
            explanation = Text(
                "The signature is written in {found}. It has to be {wanted}.",
                found=texts.ENCODINGS[claim.encoding],
                wanted=encoding,
            )
            yield _finding(name, explanation, Text("Compute it with {how}.", how=how))
