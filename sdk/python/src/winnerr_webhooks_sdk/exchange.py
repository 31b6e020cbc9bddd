"""What an emitter says to the API and how it goes on, apart from how bytes are moved.

The flow of a call is a generator. It yields a `Call` to make or a `Pause` to wait, gets the
`Answer` or what was `Lost`, and returns the result. `Emitter` and `AsyncEmitter` each move bytes in
their own way and share the rest.
"""

from __future__ import annotations

import email.utils
import json
import random
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Dict, Generator, Iterator, List, Mapping, NamedTuple, Optional, Union

from winnerr_webhooks_sdk.errors import EmitError, Refused, Unavailable
from winnerr_webhooks_sdk.new_event import Submission

EVENTS = "/api/v1/events"
BATCH = "/api/v1/events/batch"
MAX_BATCH_EVENTS = 1_000
MAX_BATCH = 8 * 1024 * 1024
"""Bytes of the largest batch that the API takes."""
FIRST_WAIT = 0.1
LONGEST_WAIT = 5.0
"""Seconds between repeats, where the API does not say how long."""
_ACCEPTED = 202
_REPEATABLE = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses of a server, or of a proxy before it, that cannot do it now."""


class Accepted(NamedTuple):
    """An event that is stored with its deliveries."""

    id: str
    """`evt_…`, as receivers see it."""
    duplicate: bool
    """Whether an event of this id had been accepted before; then this is its answer."""
    deliveries: int
    """How many webhooks it is sent to."""


Result = Union[Accepted, EmitError]
"""What became of one event of a batch. Errors are returned, not raised."""


@dataclass(frozen=True)
class Call:
    """A request to make: POST with a JSON body."""

    path: str
    body: bytes


@dataclass(frozen=True)
class Pause:
    """Seconds to wait."""

    seconds: float


@dataclass(frozen=True)
class Answer:
    """A response; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Lost:
    """No response came."""

    why: str
    reused: bool
    """Whether the connection had been used before: the server may just have closed it."""


Step = Union[Call, Pause]
Reply = Union[Answer, Lost, None]
"""To a `Call`, an `Answer` or `Lost`; to a `Pause`, None."""
OneFlow = Generator[Step, Reply, Accepted]
ManyFlow = Generator[Step, Reply, List[Result]]


class Patience:
    """How long a call is repeated, and how long it waits between."""

    def __init__(self, retry_for: float) -> None:
        self._retry_for = retry_for
        self.restart()

    def restart(self) -> None:
        """Count anew: there was progress."""
        self._end = time.monotonic() + self._retry_for
        self._tries = 0

    def wait(self, reply: Union[Answer, Lost]) -> Optional[float]:
        """Seconds to wait before the next try; None if that would be too late."""
        if isinstance(reply, Lost) and reply.reused:
            return 0.0
        self._tries += 1
        shortest = min(FIRST_WAIT * 2.0 ** (self._tries - 1), LONGEST_WAIT)
        asked = _retry_after(reply) if isinstance(reply, Answer) else 0.0
        wait = max(shortest, asked) * random.uniform(1.0, 1.25)  # noqa: S311  it spreads repeats
        return wait if time.monotonic() + wait <= self._end else None


def emit_one(submission: Submission, retry_for: float) -> OneFlow:
    """Send one event; `Refused` or `Unavailable`."""
    patience = Patience(retry_for)
    while True:
        reply = yield from _ask(Call(EVENTS, submission.body))
        if isinstance(reply, Answer) and reply.status not in _REPEATABLE:
            return _read_one(reply)
        wait = patience.wait(reply)
        if wait is None:
            raise Unavailable(_what_happened(reply), submission.id)
        yield Pause(wait)


def emit_batches(submissions: List[Submission], retry_for: float) -> ManyFlow:
    """Send events in as few calls as can be; the result of each, in their order.

    What could not be stored now is sent again before the next batch goes out. When that has taken
    `retry_for` seconds without progress, it and all that follows is `Unavailable`. `Refused` when
    the first call is refused as a whole; a later one is the result of each event that follows.
    """
    results: Dict[int, Result] = {}
    patience = Patience(retry_for)
    for batch in batches(submissions):
        waiting = batch
        while waiting:
            body = _join(submissions[index].body for index in waiting)
            reply = yield from _ask(Call(BATCH, body))
            if isinstance(reply, Answer) and reply.status not in _REPEATABLE:
                try:
                    answered = _read_batch(reply, len(waiting))
                except EmitError as error:
                    if not results:
                        raise
                    return _fill(submissions, results, error)
                results.update(zip(waiting, answered))
                left = [i for i, one in zip(waiting, answered) if isinstance(one, _NotNow)]
                if len(left) < len(waiting):
                    patience.restart()
                waiting = left
            if waiting:
                wait = patience.wait(reply)
                if wait is None:
                    last = results.get(waiting[0])
                    why = _what_happened(reply) if last is None else f"The API answers {last}"
                    return _fill(submissions, results, why)
                yield Pause(wait)
    return [results[index] for index in range(len(submissions))]


def batches(submissions: List[Submission]) -> Iterator[List[int]]:
    """Cut a list into batches that the API takes: the places of each batch's events."""
    batch: List[int] = []
    size = 0
    for index, submission in enumerate(submissions):
        added = len(submission.body) + 1
        if batch and (len(batch) == MAX_BATCH_EVENTS or size + added >= MAX_BATCH):
            yield batch
            batch, size = [], 0
        batch.append(index)
        size += added
    if batch:
        yield batch


class _NotNow(EmitError):  # noqa: N818  it never leaves this module
    """An event of a batch that could not be stored now."""


def _ask(call: Call) -> Generator[Step, Reply, Union[Answer, Lost]]:
    reply = yield call
    if reply is None:
        raise TypeError("a Call is replied to by an Answer or by Lost")
    return reply


def _fill(
    submissions: List[Submission], results: Dict[int, Result], why: Union[str, EmitError]
) -> List[Result]:
    """Return all results; events without one get an error."""
    filled: List[Result] = []
    for index, submission in enumerate(submissions):
        result = results.get(index)
        if result is None or isinstance(result, _NotNow):
            result = Unavailable(why, submission.id) if isinstance(why, str) else why
        filled.append(result)
    return filled


def _join(bodies: Iterator[bytes]) -> bytes:
    return b"[" + b",".join(bodies) + b"]"


def _read_one(answer: Answer) -> Accepted:
    if answer.status != _ACCEPTED:
        raise _refusal(answer)
    return _accepted(_json(answer))


def _read_batch(answer: Answer, count: int) -> List[Result]:
    if answer.status != _ACCEPTED:
        raise _refusal(answer)
    items = _json(answer).get("results")
    if not isinstance(items, list) or len(items) != count:
        raise EmitError("The API's answer to a batch does not have a result for each event.")
    return [_read_item(item) for item in items]


def _read_item(item: Mapping[str, Any]) -> Result:
    problem = item.get("error")
    if problem is None:
        return _accepted(item)
    refused = Refused.read(problem, 500)
    return _NotNow(str(refused)) if refused.status in _REPEATABLE else refused


def _accepted(found: Mapping[str, Any]) -> Accepted:
    try:
        return Accepted(found["id"], found["duplicate"], found["deliveries"])
    except KeyError as error:
        raise EmitError(f"The API's answer lacks {error}. Is the URL that of the API?") from None


def _refusal(answer: Answer) -> EmitError:
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        return Refused.read(_json(answer), answer.status)
    return Refused(
        answer.status,
        "Unexpected answer",
        "This is not an answer of the API. Look whether the emitter's URL is that of Winnerr "
        "Webhooks, without /api/v1, and what proxies are between.",
    )


def _json(answer: Answer) -> Dict[str, Any]:
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise EmitError(
            f"The answer {answer.status} holds no JSON object. Is the URL that of the API?"
        )
    return found


def _retry_after(answer: Answer) -> float:
    """Seconds that the answer asks to wait (RFC 9110, section 10.2.3); 0 if it says nothing."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())


def _what_happened(reply: Union[Answer, Lost]) -> str:
    if isinstance(reply, Lost):
        return f"The API cannot be reached, or did not answer ({reply.why})."
    try:
        detail = str(_json(reply).get("detail", ""))
    except EmitError:
        detail = ""
    return f"The API answers {reply.status}. {detail}".strip()
