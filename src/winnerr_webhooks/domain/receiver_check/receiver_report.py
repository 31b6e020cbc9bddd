"""Judges a receiver's answers to the probes: what each means, and how to mend it."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from winnerr_webhooks.domain.attempt import Exchange
from winnerr_webhooks.domain.branding import Branding
from winnerr_webhooks.domain.diagnosis import diagnose
from winnerr_webhooks.domain.receiver_check import receiver_texts as texts
from winnerr_webhooks.domain.receiver_check.receiver_probes import (
    BAD_SIGNATURE,
    EXACT_BYTES,
    GOOD_EVENT,
    LARGE_BODY,
    LINES,
    OLD_TIMESTAMP,
    SIGNED_ONLY,
    SLOW_READING,
)
from winnerr_webhooks.domain.text import NOTHING, Sentences, Text
from winnerr_webhooks.domain.verdict import SuccessRule

OK: Final = "ok"
WARNING: Final = "warning"
PROBLEM: Final = "problem"
SKIPPED: Final = "skipped"
_REFUSALS: Final = (400, 401, 403)
"""The statuses with which receivers refuse a signature."""
_TOO_LARGE: Final = 413


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the report card."""

    name: str
    """One of `receiver_probes.LINES`."""
    title: Text
    result: str
    """`ok`, `warning`, `problem` or `skipped`."""
    answer: str
    """What the receiver answered, such as `200 OK · 84 ms`; empty if it was not asked."""
    meaning: Text
    remedy: Text = NOTHING
    """What to change; empty if nothing has to be."""


class ReceiverReport(msgspec.Struct, frozen=True, kw_only=True):
    """The report card of a receiver."""

    url: str
    event: str
    """The event type whose example was sent."""
    lines: tuple[Line, ...]

    @property
    def passed(self) -> bool:
        """Whether there is no problem; warnings may be there."""
        return all(line.result != PROBLEM for line in self.lines)


def report(
    url: str,
    event: str,
    exchanges: Mapping[str, Sequence[Exchange]],
    *,
    signed: bool,
    success: SuccessRule,
    timeout: float,
    branding: Branding,
) -> ReceiverReport:
    """Judge all answers. `exchanges` has those of each line that was asked, in order of sending.

    `timeout` is the time limit of a whole attempt in seconds.
    """
    judge = _Judge(url, success, timeout)
    names = {
        "header_prefix": branding.header_prefix,
        "signature_header": branding.signature_header,
    }
    lines = []
    for name in LINES:
        asked = exchanges.get(LARGE_BODY if name == SLOW_READING else name, ())
        line = judge.line(name, asked) if asked else _skipped(name, exchanges, signed=signed)
        lines.append(
            msgspec.structs.replace(
                line,
                meaning=line.meaning.fill(**names),
                remedy=line.remedy.fill(**names),
            )
        )
    return ReceiverReport(url=url, event=event, lines=tuple(lines))


def _skipped(name: str, exchanges: Mapping[str, Sequence[Exchange]], *, signed: bool) -> Line:
    if not signed and name in SIGNED_ONLY:
        why = texts.UNSIGNED
    else:
        why = texts.NO_TIME if len(exchanges) > 1 else texts.GOOD_EVENT_FAILED
    return _line(name, SKIPPED, "", why)


def _line(name: str, result: str, answer: str, meaning: Text, remedy: Text = NOTHING) -> Line:
    return Line(
        name=name,
        title=texts.TITLES[name],
        result=result,
        answer=answer,
        meaning=meaning,
        remedy=remedy,
    )


class _Judge:
    def __init__(self, url: str, success: SuccessRule, timeout: float) -> None:
        self._url = url
        self._success = success
        self._timeout = timeout

    def line(self, name: str, asked: Sequence[Exchange]) -> Line:
        worst = next((one for one in asked if not self._accepted(one)), asked[-1])
        answer = _answer(worst)
        if name in (BAD_SIGNATURE, OLD_TIMESTAMP):
            return _line(name, *self._refusal(name, worst, answer))
        if name == GOOD_EVENT:
            return _line(name, *self._good_event(worst, answer))
        if name == SLOW_READING:
            return _line(name, *self._reading(worst, answer))
        if self._accepted(worst):
            return _line(name, OK, answer, texts.ACCEPTED[name])
        meaning, remedy = texts.REFUSED[name]
        if name == EXACT_BYTES and worst.status not in _REFUSALS:
            meaning, remedy = texts.UNUSUAL_JSON
        if name == LARGE_BODY and worst.status != _TOO_LARGE:
            meaning = texts.LARGE_BODY_FAILED
        return _line(name, PROBLEM, answer, meaning, remedy)

    def _accepted(self, exchange: Exchange) -> bool:
        return exchange.status is not None and self._success(exchange.status)

    def _slow(self, exchange: Exchange) -> bool:
        return exchange.duration_ms > self._timeout * 500

    def _good_event(self, exchange: Exchange, answer: str) -> tuple[str, str, Text, Text]:
        if self._accepted(exchange):
            if self._slow(exchange):
                return WARNING, answer, *texts.SLOW_ANSWER
            return OK, answer, texts.ACCEPTED[GOOD_EVENT], NOTHING
        failure = exchange.failure
        found = diagnose(
            kind="status" if exchange.status is not None or failure is None else failure.kind,
            code=failure.code if failure else "",
            phase=failure.phase if failure else "",
            status=exchange.status,
            response_head=exchange.response_head,
            response_body=exchange.response_body,
            url=self._url,
            timeout=self._timeout,
        )
        hint = texts.SIGNATURE_CHECK if exchange.status in _REFUSALS else NOTHING
        return PROBLEM, answer, found.summary, Sentences(found.hint, hint)

    def _refusal(self, name: str, exchange: Exchange, answer: str) -> tuple[str, str, Text, Text]:
        """Judge the answer to a request that has to be refused."""
        if self._accepted(exchange):
            result = PROBLEM if name == BAD_SIGNATURE else WARNING
            return result, answer, *texts.NOT_REFUSED[name]
        if exchange.status is not None and 400 <= exchange.status < 500:  # noqa: PLR2004  RFC 9110, 15.5
            return OK, answer, texts.ACCEPTED[name], NOTHING
        return WARNING, answer, *texts.REFUSED_BY_FAILING

    def _reading(self, exchange: Exchange, answer: str) -> tuple[str, str, Text, Text]:
        failure = exchange.failure
        if exchange.status is None and failure is not None and failure.kind == "timeout":
            return PROBLEM, answer, *texts.READS_TOO_SLOWLY
        if self._slow(exchange):
            return WARNING, answer, *texts.READS_SLOWLY
        return OK, answer, texts.ACCEPTED[SLOW_READING], NOTHING


def _answer(exchange: Exchange) -> str:
    if exchange.status is not None:
        text = f"{exchange.status} {exchange.reason}".rstrip()
    else:
        text = exchange.failure.message if exchange.failure else Text("no answer")
    ms = exchange.duration_ms
    took = f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"  # noqa: PLR2004
    return Text("{answer} · {time}", answer=text, time=took)
