"""The fast path: one event from its head to its answer, without an ASGI call (docs/adr/0007).

An ASGI call costs a task, a scope and four messages: more than everything else that an event
needs. A request takes the fast path when it is `POST /api/v1/events` with a Content-Length and a
key that is known already, over HTTP/1.1 that stays open: nearly every one.
"""

import asyncio
from typing import Final

from winnerr_webhooks.api.auth import Caller
from winnerr_webhooks.api.event_endpoint import PATH, EventEndpoint, event_headers
from winnerr_webhooks.api.http.head_cache import CachedHead, HeadCache
from winnerr_webhooks.api.http.request import Connection
from winnerr_webhooks.api.http.request_head import RequestHead
from winnerr_webhooks.api.problems import response
from winnerr_webhooks.api.request_body import BodyQuota
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.domain.submission import MAX_EVENT

_TARGET: Final = PATH.encode()
_ACCEPTED: Final = (
    b"HTTP/1.1 202 Accepted\r\n%bcontent-length: %d\r\ncontent-type: application/json\r\n"
    b"cache-control: no-store\r\nx-content-type-options: nosniff\r\n\r\n%b"
)


class FastPathRequest:
    """One event on the fast path."""

    __slots__ = (
        "_body", "_caller", "_client_id", "_connection", "_endpoint", "_event", "_is_gone", "_key",
        "_quota", "keep_alive",
    )  # fmt: skip

    has_caller = True
    has_head_only = False
    response_started = False
    """Its answer is sent whole, and is never under way."""
    awaits_body = True

    _event: NewEvent

    def __init__(
        self,
        connection: Connection,
        endpoint: EventEndpoint,
        caller: Caller,
        key: bytes,
        client_id: str | None,
    ) -> None:
        self._connection = connection
        self._endpoint = endpoint
        self._caller = caller
        self._key = key
        self._client_id = client_id
        self._body: bytearray | None = None
        self._quota: BodyQuota | None = None
        """Counts a body that does not come whole in one read."""
        self._is_gone = False
        self.keep_alive = True

    @property
    def has_room(self) -> bool:
        """Whether its body is still read: it is not once it is about to be refused."""
        return self._quota is None or self._body is not None

    def receive_body(self, data: bytes, *, is_last: bool) -> None:
        """Take the next bytes of the body; with the last ones the event is whole."""
        quota = self._quota
        if not is_last:
            self._hold(data)
        elif self._body is None or quota is None:
            self.take(data)
        else:
            quota.release()
            body = bytes(self._body + data)
            self._body = None
            if self._endpoint.remembered(self._key) is not None:
                self.take(body)
            else:  # the key may have been revoked meanwhile
                self._connection.start(self._look_up_and_take(body))

    def disconnect(self) -> None:
        """Drop a body that is not whole; a whole event is stored all the same."""
        self._is_gone = True
        self._body = None
        if self._quota is not None:
            self._quota.release()

    def take(self, body: bytes) -> None:
        """Put the event into the next commit, or answer what is wrong with it."""
        try:
            self._event = self._endpoint.take(body, self._caller, self._client_id, self._answer)
        except Exception as error:  # noqa: BLE001  whatever it is, the caller gets an answer
            self._refuse(error)

    def _hold(self, data: bytes) -> None:
        """Keep a part of the body; when there is no room for it, the request is refused later."""
        if self._quota is None or self._body is None:
            self._quota = self._endpoint.body_quota(self._caller)
            self._body = bytearray()
        self._body += data
        try:
            self._quota.grow(len(self._body))
        except Unavailable as error:
            self._body = None
            # Without the traceback, whose frames hold these bytes.
            refusal = self._refuse_late(error.with_traceback(None), self._quota.refuse_later())
            self._connection.start(refusal)

    async def _refuse_late(self, error: Exception, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._refuse(error)

    async def _look_up_and_take(self, body: bytes) -> None:
        try:
            self._caller = await self._endpoint.look_up(self._key)
        except Exception as error:  # noqa: BLE001  whatever it is, the caller gets an answer
            self._refuse(error)
        else:
            self.take(body)

    def _answer(self, accepted: Accepted | None, error: Exception | None) -> None:
        """Answer when the event's commit is done, or has failed."""
        if accepted is None:
            assert error is not None  # noqa: S101  one of the two there is
            self._refuse(error)
        elif accepted.conflict:
            self._connection.start(self._compare_and_answer(accepted))
        else:
            self._accept(accepted)

    async def _compare_and_answer(self, accepted: Accepted) -> None:
        try:
            accepted = await self._endpoint.compare(self._event, accepted)
        except Exception as error:  # noqa: BLE001  whatever it is, the caller gets an answer
            self._refuse(error)
        else:
            self._accept(accepted)

    def _accept(self, accepted: Accepted) -> None:
        try:
            body = self._endpoint.accepted_body(accepted)
        except Exception as error:  # noqa: BLE001  whatever it is, the caller gets an answer
            self._refuse(error)
        else:
            self._finish(_ACCEPTED % (self._lines(), len(body), body))

    def _refuse(self, error: Exception) -> None:
        self._finish(response(self._endpoint.refusal(error), self._lines()))

    def _lines(self) -> bytes:
        lines = self._connection.date_line
        return lines if self.keep_alive else lines + b"connection: close\r\n"

    def _finish(self, data: bytes) -> None:
        if not self._is_gone:
            self._is_gone = True
            self._body = None
            self._connection.finish(data)


class FastPath:
    """Decides which requests take the fast path, and begins them."""

    def __init__(self, endpoint: EventEndpoint) -> None:
        self._endpoint = endpoint
        self._heads = HeadCache()

    def begin_cached(self, connection: Connection, data: bytes) -> bool:
        """Take `data` as a whole request whose head is cached; False if it is not one."""
        found = self._heads.find(data)
        if found is None:
            return False
        head, body = found
        caller = self._endpoint.remembered(head.key)
        if caller is None:
            return False
        request = FastPathRequest(connection, self._endpoint, caller, head.key, None)
        connection.request = request
        request.take(body)
        return True

    def begin(
        self, connection: Connection, head: RequestHead, raw: bytes
    ) -> FastPathRequest | None:
        """Begin a request that may take the fast path; None for any other.

        `raw`: the bytes of its head if they came at once, else empty. They are cached, but not
        with an Idempotency-Key, which differs each time.
        """
        length = head.content_length
        if (
            head.target != _TARGET
            or head.method != b"POST"
            or not head.keep_alive
            or head.expects_continue
            or length is None
            or length > MAX_EVENT
        ):
            return None
        key, client_id, _ = event_headers(head.headers)
        caller = self._endpoint.remembered(key)
        if caller is None or key is None:
            return None
        if raw and client_id is None:
            self._heads.keep(raw, CachedHead(key, length))
        return FastPathRequest(connection, self._endpoint, caller, key, client_id)
