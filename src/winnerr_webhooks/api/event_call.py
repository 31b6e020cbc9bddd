"""One event on the short way: from its headers to its answer, past ASGI (docs/adr/0007)."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from winnerr_webhooks.api.bodies import BodyBytes
from winnerr_webhooks.api.events import Begun
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.domain.event import Accepted


class Line(Protocol):
    """The connection an event came on, as its call sees it."""

    transport: Any
    loop: asyncio.AbstractEventLoop
    tasks: set[asyncio.Task[None]]

    @property
    def common_lines(self) -> bytes:
        """The header lines of every answer now."""
        ...

    def on_response_complete(self) -> None:
        """The answer is out."""
        ...


class EventCall:
    """One call of the short way; to uvicorn's protocol it looks like its `RequestResponseCycle`.

    It is its own `message_event`: that is set when a part of the body or its end has come.
    """

    __slots__ = (
        "_begun", "_begun_it", "_counted", "_protocol", "body", "disconnected", "keep_alive",
        "message_event", "more_body", "response_complete",
    )  # fmt: skip

    response_started = False
    """Never so that a second answer could be in its way: it is written whole."""

    def __init__(self, protocol: Line, begun: Begun) -> None:
        self._protocol = protocol
        self._begun = begun
        self._begun_it = False
        self.body: bytes | bytearray = b""
        self.more_body = True
        self.message_event = self
        self.keep_alive = True
        self._counted: BodyBytes | None = None
        """Its body did not come with its head: the key may have been revoked in between."""
        self.disconnected = False
        self.response_complete = False

    def set(self) -> None:
        """More of the request has come; when it is whole, begin, once.

        It is set again when the connection is lost, be that before, during or after.
        """
        if self._begun_it or self.more_body or self.disconnected:
            if self.disconnected and self._counted is not None:
                self._counted.release()
            return
        self._begun_it = True
        if self._counted is not None:
            self._counted.release()
        if self._counted is not None and not self._begun.is_believed():
            self._start(self._ask_again())
        else:
            self._take()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        protocol = self._protocol
        task = protocol.loop.create_task(work)
        protocol.tasks.add(task)
        task.add_done_callback(protocol.tasks.discard)

    def wait_for_more(self) -> None:
        """Count what has come of a body that is not whole yet; refuse it when there is no room."""
        if self.response_complete:
            return
        if self._counted is None:
            self._counted = self._begun.body_bytes()
            self.body = bytearray(self.body)  # the rest may come byte by byte
        try:
            self._counted.grow(len(self.body))
        except Unavailable as error:
            self._counted.release()
            self.body = b""
            self._refuse(error)

    async def _ask_again(self) -> None:
        try:
            await self._begun.ask_again()
        except Exception as error:  # noqa: BLE001  whatever it is, the caller gets an answer
            self._refuse(error)
        else:
            self._take()

    def know(self, data: bytes) -> None:
        """Remember its head: all of it came with these bytes, and nothing else did."""
        if not self.more_body and not self.response_complete:
            self._begun.know(data, len(self.body))

    def _take(self) -> None:
        try:
            self._begun.take(bytes(self.body), self._done)
        except Exception as error:  # noqa: BLE001  whatever it is, the caller gets an answer
            self._refuse(error)

    def _done(self, accepted: Accepted | None, error: Exception | None) -> None:
        if accepted is None:
            assert error is not None  # noqa: S101  one of the two there is
            self._refuse(error)
        elif accepted.conflict:
            self._start(self._compare(accepted))
        else:
            self._answer(self._begun.answer(accepted, self._common_lines()))

    async def _compare(self, accepted: Accepted) -> None:
        try:
            accepted = await self._begun.compared(accepted)
        except Exception as error:  # noqa: BLE001  whatever it is, the caller gets an answer
            self._refuse(error)
        else:
            self._answer(self._begun.answer(accepted, self._common_lines()))

    def _refuse(self, error: Exception) -> None:
        self._answer(self._begun.refuse(error, self._common_lines()))

    def _common_lines(self) -> bytes:
        lines = self._protocol.common_lines
        return lines if self.keep_alive else lines + b"connection: close\r\n"

    def _answer(self, answer: bytes) -> None:
        self.response_complete = True
        self.body = b""  # an idle connection keeps its last call
        protocol = self._protocol
        if self.disconnected or protocol.transport.is_closing():
            return
        protocol.transport.write_now(answer)
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()
