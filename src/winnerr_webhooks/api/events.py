"""The hot road: `POST /api/v1/events` and its batch, as plain ASGI in front of all else.

Every event goes through here, so these two calls skip the framework: its routing, dependency
injection and response objects would cost more than all the rest of the work.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from winnerr_webhooks.api.auth import Authenticator, Caller
from winnerr_webhooks.api.bodies import BodyBytes, content_length, read_body
from winnerr_webhooks.api.known import KnownHead, KnownHeads
from winnerr_webhooks.api.problems import (
    GUARDED,
    HEADERS,
    ErrorAnswer,
    answer_to,
    method_not_allowed,
    response,
)
from winnerr_webhooks.api.query_parameters import QueryParameters
from winnerr_webhooks.api.services import Answered, Services
from winnerr_webhooks.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Unavailable,
    Uncertain,
    WebhooksError,
)
from winnerr_webhooks.domain.event import Accepted, NewEvent, encode_payload, fingerprint
from winnerr_webhooks.domain.idempotency import is_repeat
from winnerr_webhooks.domain.submission import Submission, read, read_batch, split_batch

Headers = Iterable[tuple[bytes, bytes]]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

PATH: Final = "/api/v1/events"
BATCH_PATH: Final = "/api/v1/events/batch"
MAX_EVENT: Final = 256 * 1024
MAX_BATCH: Final = 8 * 1024 * 1024
SLICE_EVENTS: Final = 50
SLICE_BYTES: Final = 256 * 1024
"""Of a batch, what is read at once: about a millisecond. Then others have their turn."""

_ACCEPTED: Final = (
    b"HTTP/1.1 202 Accepted\r\n%bcontent-length: %d\r\ncontent-type: application/json\r\n"
    b"cache-control: no-store\r\nx-content-type-options: nosniff\r\n\r\n%b"
)
_JSON: Final = ((b"content-type", b"application/json"), *GUARDED)


class EventIntake:
    """Both calls that take events in."""

    def __init__(self, services: Services, authenticator: Authenticator) -> None:
        self._metrics = services.metrics
        self._catalog = services.catalog
        self._clock = services.clock
        self._ids = services.ids
        self._intake = services.intake
        self._storage = services.storage
        self._authenticator = authenticator
        self._receiving = services.budgets.receiving_bytes
        self._known = KnownHeads(b"POST %b HTTP/1.1\r\n" % PATH.encode())

    async def one(self, scope: Any, receive: Receive, send: Send) -> None:
        """`POST /api/v1/events` (ASGI): one event, 202 once it is on disk."""
        await self._answer(self._accept_one, scope, receive, send)

    async def many(self, scope: Any, receive: Receive, send: Send) -> None:
        """`POST /api/v1/events/batch` (ASGI): up to 1,000 events, each with its own answer."""
        await self._answer(self._accept_many, scope, receive, send)

    async def _answer(
        self,
        accept: Callable[[Any, Receive], Awaitable[bytes]],
        scope: Any,
        receive: Receive,
        send: Send,
    ) -> None:
        if scope["method"] != "POST":
            await _send_error(send, method_not_allowed("POST"))
            return
        try:
            body = await accept(scope, receive)
        except Exception as error:  # noqa: BLE001  whatever it is, the caller gets an answer
            await _send_error(send, self.refusal(error))
            return
        await send(
            {
                "type": "http.response.start",
                "status": 202,
                "headers": [(b"content-length", b"%d" % len(body)), *_JSON],
            }
        )
        await send({"type": "http.response.body", "body": body})

    def begin_one(self, headers: Headers) -> "Begun | None":
        """What is left to do of a plain call once its body is there; None: take the long way.

        Plain is a call whose key is known already, with a body that says its length and is not
        too large: nearly every one. It then needs nothing awaited but its commit.
        """
        key, declared, client_id, _ = _headers(headers)
        length = content_length(declared)
        if length is None or length > MAX_EVENT:
            return None
        caller = self._authenticator.remembered(key)
        return None if caller is None else Begun(self, caller, client_id, key)

    def begin_known(self, data: bytes) -> "tuple[Begun, bytes] | None":
        """The same of what came at once and begins like a call before, and its body."""
        found = self._known.find(data)
        if found is None:
            return None
        head, body = found
        caller = self._authenticator.remembered(head.key)
        return None if caller is None else (Begun(self, caller, None, head.key), body)

    def know(self, data: bytes, key: bytes, length: int) -> None:
        """Remember the head of a plain call that came at once."""
        self._known.keep(data, KnownHead(key, length))

    def is_believed(self, key: bytes | None) -> bool:
        """Whether this key needs no look into the database."""
        return self._authenticator.remembered(key) is not None

    async def caller(self, key: bytes | None) -> Caller:
        """Whose key it is; `Unauthorized` when it does not work, or no longer."""
        return await self._authenticator.caller(key)

    def body_bytes(self, caller: Caller) -> BodyBytes:
        """What counts the bytes of a body while they come."""
        return BodyBytes(self._receiving, caller.holder)

    def take(
        self, raw: bytes, caller: Caller, client_id: str | None, answered: Answered
    ) -> NewEvent:
        """Check one event and put it into the next commit; raises what is wrong with it."""
        event = self._read(raw, caller, client_id)
        self._intake.take(event, answered)
        return event

    async def compared(self, event: NewEvent, accepted: Accepted) -> Accepted:
        """A conflict, or the repeat that it is when event and data are the same as JSON values.

        An event that retention has removed cannot be compared: then it stays a conflict.
        """
        first = await self._storage.event(event.organization, accepted.id)
        if first is None or not is_repeat(first.body, event.body):
            return accepted
        return msgspec.structs.replace(accepted, conflict=False, duplicate=True)

    def answer(self, accepted: Accepted) -> bytes:
        """The body of a 202; `Conflict` when there is none."""
        return self._accepted(accepted)

    def refusal(self, error: Exception) -> ErrorAnswer:
        """The answer to whatever went wrong, counted."""
        refusal = answer_to(error, self._ids)
        self._metrics.event_refused(refusal.problem.status)
        return refusal

    async def _accept_one(self, scope: Any, receive: Receive) -> bytes:
        key, length, client_id, _ = _headers(scope["headers"])
        caller = scope["auth"] = await self._authenticator.caller(key)
        if scope["query_string"]:
            QueryParameters(scope["query_string"], ())
        with self.body_bytes(caller) as count:
            raw = await read_body(receive, MAX_EVENT, length, count)
        caller = await self._authenticator.caller(key)  # it may have been revoked meanwhile
        event = self._read(raw, caller, client_id)
        accepted = await self._intake.accept(event)
        if accepted.conflict:
            accepted = await self.compared(event, accepted)
        return self._accepted(accepted)

    def _read(self, raw: bytes, caller: Caller, client_id: str | None) -> NewEvent:
        submission = read(
            raw,
            catalog=self._catalog,
            now_ms=self._clock.now_ms(),
            idempotency_key=client_id,
        )
        return self._new_event(submission, caller)

    async def _accept_many(self, scope: Any, receive: Receive) -> bytes:
        key, length, client_id, content_type = _headers(scope["headers"])
        caller = scope["auth"] = await self._authenticator.caller(key)
        if scope["query_string"]:
            QueryParameters(scope["query_string"], ())
        if client_id is not None:
            raise Invalid.field(
                "", "In a batch, give each event its own `id` instead of Idempotency-Key."
            )
        with self.body_bytes(caller) as count:
            raw = await read_body(receive, MAX_BATCH, length, count)
            caller = await self._authenticator.caller(key)  # it may have been revoked meanwhile
            judged = await self._judge_all(split_batch(raw, content_type), caller)
        return await self._store(judged)

    async def _judge_all(
        self, items: Sequence[bytes], caller: Caller
    ) -> list[NewEvent | WebhooksError]:
        """Read the events of a batch in slices: a single event does not wait for all of them."""
        judged: list[NewEvent | WebhooksError] = []
        room = SLICE_BYTES
        submissions = read_batch(items, catalog=self._catalog, now_ms=self._clock.now_ms())
        for item, submission in zip(items, submissions, strict=True):
            judged.append(self._judge(submission, caller))
            room -= max(len(item), SLICE_BYTES // SLICE_EVENTS)
            if room <= 0:
                room = SLICE_BYTES
                await asyncio.sleep(0)
        return judged

    def _judge(
        self, submission: Submission | WebhooksError, caller: Caller
    ) -> NewEvent | WebhooksError:
        if isinstance(submission, WebhooksError):
            return submission
        try:
            return self._new_event(submission, caller)
        except Forbidden as refusal:
            return refusal

    async def _store(self, judged: list[NewEvent | WebhooksError]) -> bytes:
        events = [item for item in judged if isinstance(item, NewEvent)]
        accepted = await self._intake.accept_many(events)
        failed = [item for item in accepted if isinstance(item, Unavailable)]
        if failed and len(failed) == len(accepted):
            raise next((error for error in failed if isinstance(error, Uncertain)), failed[0])
        for place, (event, answer) in enumerate(zip(events, accepted, strict=True)):
            if isinstance(answer, Accepted) and answer.conflict:
                try:
                    accepted[place] = await self.compared(event, answer)
                except Unavailable as error:
                    accepted[place] = error
        answers = iter(accepted)
        parts = [
            self._result(next(answers) if isinstance(item, NewEvent) else item) for item in judged
        ]
        return b'{"results":[%b]}' % b",".join(parts)

    def _result(self, outcome: Accepted | WebhooksError) -> bytes:
        try:
            if isinstance(outcome, Accepted):
                return self._accepted(outcome)
        except Conflict as conflict:
            outcome = conflict
        return b'{"error":%b}' % self.refusal(outcome).body

    def _new_event(self, submission: Submission, caller: Caller) -> NewEvent:
        organization, name, data = submission.organization, submission.name, submission.data
        if caller.organization is not None and caller.organization != organization:
            raise Forbidden(
                f"This key is of organization {caller.organization}; it cannot send events of "
                "another one. Use that organization's key, or a service key."
            )
        client_id = submission.client_id
        return NewEvent(
            id=self._ids.new("evt"),
            organization=organization,
            name=name,
            body=encode_payload(name, submission.timestamp, organization, data),
            client_id=client_id,
            fingerprint=b"" if client_id is None else fingerprint(name, data),
        )

    def _accepted(self, accepted: Accepted) -> bytes:
        if accepted.conflict:
            raise Conflict(
                "This `id` was accepted before with another event or other data. "
                "Give a new event a new id."
            )
        if accepted.duplicate:
            self._metrics.event_repeated()
        else:
            self._metrics.event_accepted()
        return b'{"id":"%b","duplicate":%b,"deliveries":%d}' % (
            accepted.id.encode(),
            b"true" if accepted.duplicate else b"false",
            accepted.deliveries,
        )


class Begun:
    """A plain call whose headers have been read."""

    __slots__ = ("_caller", "_client_id", "_event", "_intake", "_key")

    _event: NewEvent

    def __init__(
        self, intake: EventIntake, caller: Caller, client_id: str | None, key: bytes | None
    ) -> None:
        self._intake = intake
        self._caller = caller
        self._client_id = client_id
        self._key = key

    def is_believed(self) -> bool:
        """Whether the key still needs no look into the database; for a body that took its time."""
        return self._intake.is_believed(self._key)

    def body_bytes(self) -> BodyBytes:
        """What counts the body's bytes while they come."""
        return self._intake.body_bytes(self._caller)

    async def ask_again(self) -> None:
        """Look the key up; `Unauthorized` when it was revoked."""
        self._caller = await self._intake.caller(self._key)

    def take(self, raw: bytes, answered: Answered) -> None:
        """Put the event into the next commit; raises what is wrong with it."""
        self._event = self._intake.take(raw, self._caller, self._client_id, answered)

    async def compared(self, accepted: Accepted) -> Accepted:
        """What a conflict comes to, see `EventIntake.compared`."""
        return await self._intake.compared(self._event, accepted)

    def know(self, data: bytes, length: int) -> None:
        """Remember the head: this call came at once, with a body so long."""
        if self._client_id is None and self._key is not None:  # else it is another one each time
            self._intake.know(data, self._key, length)

    def answer(self, accepted: Accepted, common: bytes) -> bytes:
        """The whole HTTP response, the header lines `common` to all responses among its own."""
        try:
            body = self._intake.answer(accepted)
        except Exception as error:  # noqa: BLE001  whatever it is, the caller gets an answer
            return self.refuse(error, common)
        return _ACCEPTED % (common, len(body), body)

    def refuse(self, error: Exception, common: bytes) -> bytes:
        """The whole HTTP response to a call that failed."""
        status, rest = response(self._intake.refusal(error)).split(b"\r\n", 1)
        return b"%b\r\n%b%b" % (status, common, rest)


def _headers(headers: Headers) -> tuple[bytes | None, bytes | None, str | None, bytes]:
    """Authorization, Content-Length, Idempotency-Key and Content-Type, in one pass."""
    key = length = client_id = None
    content_type = b""
    for name, value in headers:
        if name == b"authorization":
            key = value if key is None else b""  # two: neither is believed
        elif name == b"content-length":
            length = value
        elif name == b"idempotency-key":
            text = value.decode("latin-1")
            client_id = text if client_id in (None, text) else ""  # two: refused as none
        elif name == b"content-type":
            content_type = value
    return key, length, client_id, content_type


async def _send_error(send: Send, answer: ErrorAnswer) -> None:
    body = answer.body
    headers = [(b"content-length", b"%d" % len(body)), *HEADERS]
    headers += [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
    status = answer.problem.status
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
