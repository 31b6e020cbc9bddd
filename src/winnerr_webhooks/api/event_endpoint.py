"""`POST /api/v1/events` and its batch call: authorize, check and store events.

These two calls are plain ASGI without Litestar, whose routing, dependency injection and response
objects would cost more than all other work on an event. Most single events need not even ASGI: the
server hands them to `EventEndpoint.take` (`api.http.fast_path`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final, Protocol

from winnerr_webhooks.api.asgi_response import Send, send_problem, send_response
from winnerr_webhooks.api.auth import Authenticator, Caller
from winnerr_webhooks.api.problems import ErrorAnswer, answer_to, method_not_allowed
from winnerr_webhooks.api.query_parameters import QueryParameters
from winnerr_webhooks.api.request_body import BodyQuota, read_body
from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Unavailable,
    Uncertain,
    WebhooksError,
)
from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.domain.submission import (
    MAX_BATCH,
    MAX_EVENT,
    Submission,
    new_event,
    read,
    read_batch,
    split_batch,
)
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.pipeline import repeated_events
from winnerr_webhooks.quotas import Budget
from winnerr_webhooks.storage.port import Storage

Headers = Iterable[tuple[bytes, bytes]]
Receive = Callable[[], Awaitable[Any]]

PATH: Final = "/api/v1/events"
BATCH_PATH: Final = "/api/v1/events/batch"
SLICE_EVENTS: Final = 50
SLICE_BYTES: Final = 256 * 1024
"""What is read of a batch at once: about a millisecond of work. Then other calls are served."""

AnswerCallback = Callable[[Accepted | None, Exception | None], None]
"""Called with the answer to one event, or with the error that it failed with."""


class Intake(Protocol):
    """Stores events (`pipeline.intake`)."""

    def take(self, event: NewEvent, answered: AnswerCallback) -> None:
        """Store one event with its deliveries, then call `answered`; errors may also be raised."""
        ...

    def accept(self, event: NewEvent) -> asyncio.Future[Accepted]:
        """Store one event with its deliveries; `Unavailable` or `Uncertain` when it cannot."""
        ...

    async def accept_many(self, events: Sequence[NewEvent]) -> list[Accepted | WebhooksError]:
        """Store several events; each has its own answer or its own error."""
        ...


class EventEndpoint:
    """Answers both calls, and has the steps that the fast path shares with them."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        intake: Intake,
        storage: Storage,
        catalog: Catalog,
        clock: Clock,
        ids: Ids,
        metrics: Metrics,
        receiving: Budget,
    ) -> None:
        """`receiving`: the budget of bodies that are being received."""
        self._metrics = metrics
        self._catalog = catalog
        self._clock = clock
        self._ids = ids
        self._intake = intake
        self._storage = storage
        self._receiving = receiving
        self._authenticator = authenticator
        self.remembered = authenticator.remembered
        """The caller of an Authorization header that needs no look into the database, or None."""
        self.look_up = authenticator.caller
        """The caller of an Authorization header; `Unauthorized` when its key does not work."""

    async def answer_one(self, scope: Any, receive: Receive, send: Send) -> None:
        """`POST /api/v1/events` (ASGI): one event, 202 once it is on disk."""
        await self._answer(self._accept_one, scope, receive, send)

    async def answer_batch(self, scope: Any, receive: Receive, send: Send) -> None:
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
            await send_problem(send, method_not_allowed("POST"))
            return
        try:
            body = await accept(scope, receive)
        except Exception as error:  # noqa: BLE001  whatever it is, the caller gets an answer
            await send_problem(send, self.refusal(error))
            return
        await send_response(send, HTTPStatus.ACCEPTED, body, b"application/json")

    def body_quota(self, caller: Caller) -> BodyQuota:
        """A counter for the bytes of a body while it arrives."""
        return BodyQuota(self._receiving, caller.holder)

    def take(
        self, raw: bytes, caller: Caller, client_id: str | None, answered: AnswerCallback
    ) -> NewEvent:
        """Check one event and hand it to the next commit; raise an error if it is not accepted."""
        event = self._read(raw, caller, client_id)
        self._intake.take(event, answered)
        return event

    async def compare(self, event: NewEvent, accepted: Accepted) -> Accepted:
        """Turn a conflict into a duplicate if event and data are the same as JSON values."""
        return await repeated_events.compare(self._storage, event, accepted)

    def accepted_body(self, accepted: Accepted) -> bytes:
        """Count an accepted event and return the JSON of its 202; raise `Conflict` if it is one."""
        repeated_events.confirm(accepted, self._metrics)
        return b'{"id":"%b","duplicate":%b,"deliveries":%d}' % (
            accepted.id.encode(),
            b"true" if accepted.duplicate else b"false",
            accepted.deliveries,
        )

    def refusal(self, error: Exception) -> ErrorAnswer:
        """Count an event that is not accepted and return its answer."""
        refusal = answer_to(error, self._ids)
        self._metrics.event_refused(refusal.problem.status)
        return refusal

    async def _accept_one(self, scope: Any, receive: Receive) -> bytes:
        key, client_id, _ = event_headers(scope["headers"])
        caller = scope["auth"] = await self._authenticator.caller(key)
        if scope["query_string"]:
            QueryParameters(scope["query_string"], ())
        with self.body_quota(caller) as quota:
            raw = await read_body(scope, receive, MAX_EVENT, quota)
        caller = await self._authenticator.caller(key)  # it may have been revoked meanwhile
        event = self._read(raw, caller, client_id)
        accepted = await self._intake.accept(event)
        if accepted.conflict:
            accepted = await self.compare(event, accepted)
        return self.accepted_body(accepted)

    def _read(self, raw: bytes, caller: Caller, client_id: str | None) -> NewEvent:
        submission = read(
            raw,
            catalog=self._catalog,
            now_ms=self._clock.now_ms(),
            idempotency_key=client_id,
        )
        return self._new_event(submission, caller)

    async def _accept_many(self, scope: Any, receive: Receive) -> bytes:
        key, client_id, content_type = event_headers(scope["headers"])
        caller = scope["auth"] = await self._authenticator.caller(key)
        if scope["query_string"]:
            QueryParameters(scope["query_string"], ())
        if client_id is not None:
            raise Invalid.field(
                "", "In a batch, give each event its own `id` instead of Idempotency-Key."
            )
        with self.body_quota(caller) as quota:
            raw = await read_body(scope, receive, MAX_BATCH, quota)
            caller = await self._authenticator.caller(key)  # it may have been revoked meanwhile
            checked = await self._check_all(split_batch(raw, content_type), caller)
        return await self._store(checked)

    async def _check_all(
        self, items: Sequence[bytes], caller: Caller
    ) -> list[NewEvent | WebhooksError]:
        """Read the events of a batch in slices: a single event does not wait for all of them."""
        checked: list[NewEvent | WebhooksError] = []
        room = SLICE_BYTES
        submissions = read_batch(items, catalog=self._catalog, now_ms=self._clock.now_ms())
        for item, submission in zip(items, submissions, strict=True):
            checked.append(self._check(submission, caller))
            room -= max(len(item), SLICE_BYTES // SLICE_EVENTS)
            if room <= 0:
                room = SLICE_BYTES
                await asyncio.sleep(0)
        return checked

    def _check(
        self, submission: Submission | WebhooksError, caller: Caller
    ) -> NewEvent | WebhooksError:
        if isinstance(submission, WebhooksError):
            return submission
        try:
            return self._new_event(submission, caller)
        except Forbidden as refusal:
            return refusal

    async def _store(self, checked: list[NewEvent | WebhooksError]) -> bytes:
        events = [item for item in checked if isinstance(item, NewEvent)]
        accepted = await self._intake.accept_many(events)
        failed = [item for item in accepted if isinstance(item, Unavailable)]
        if failed and len(failed) == len(accepted):
            raise next((error for error in failed if isinstance(error, Uncertain)), failed[0])
        for index, (event, answer) in enumerate(zip(events, accepted, strict=True)):
            if isinstance(answer, Accepted) and answer.conflict:
                try:
                    accepted[index] = await self.compare(event, answer)
                except Unavailable as error:
                    accepted[index] = error
        answers = iter(accepted)
        parts = [
            self._result(next(answers) if isinstance(item, NewEvent) else item) for item in checked
        ]
        return b'{"results":[%b]}' % b",".join(parts)

    def _result(self, outcome: Accepted | WebhooksError) -> bytes:
        try:
            if isinstance(outcome, Accepted):
                return self.accepted_body(outcome)
        except Conflict as conflict:
            outcome = conflict
        return b'{"error":%b}' % self.refusal(outcome).body

    def _new_event(self, submission: Submission, caller: Caller) -> NewEvent:
        organization = submission.organization
        if caller.organization is not None and caller.organization != organization:
            raise Forbidden(
                f"This key is of organization {caller.organization}; it cannot send events of "
                "another one. Use that organization's key, or a service key."
            )
        if submission.has_wrong_data:
            self._metrics.data_wrong()
        return new_event(submission, self._ids.new("evt"))


def event_headers(headers: Headers) -> tuple[bytes | None, str | None, bytes]:
    """Authorization, Idempotency-Key and Content-Type, in one pass."""
    key = client_id = None
    content_type = b""
    for name, value in headers:
        if name == b"authorization":
            key = value if key is None else b""  # two: neither counts
        elif name == b"idempotency-key":
            text = value.decode("latin-1")
            client_id = text if client_id in (None, text) else ""  # two: refused, as an empty one
        elif name == b"content-type":
            content_type = value
    return key, client_id, content_type
