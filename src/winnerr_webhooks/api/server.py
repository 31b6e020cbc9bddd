"""uvicorn as we run it: one write an answer, signals left to us, and a short way for events.

An ASGI call costs a task, an event object and two messages: more than all the rest that one
event needs. So the protocol itself hands `POST /api/v1/events` to the intake and writes the
answer when the commit is done. Whatever is out of the ordinary about a call (its key is not
known yet, its length not said, another one is before it on the connection, …) goes the long
way, through ASGI; both ways share everything from reading the event on (docs/adr/0007).
"""

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from winnerr_webhooks.api.events import PATH, Begun, EventIntake
from winnerr_webhooks.domain.event import Accepted

_HOT = PATH.encode()


class Server(uvicorn.Server):
    """uvicorn, without its signal handlers: with them it ends with code 143 on SIGTERM."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def protocol_for(intake: EventIntake | None) -> Callable[..., HttpToolsProtocol]:
    """What makes a connection's protocol; without an intake every call is an ASGI call."""

    def make(*arguments: Any, **options: Any) -> Protocol:
        protocol = Protocol(*arguments, **options)
        protocol.intake = intake
        return protocol

    return make


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with the short way for events.

    Its transport keeps an answer's head for its body: uvicorn writes the head at
    `http.response.start` and the body at `http.response.body`, which would be two system calls,
    two packets, and a client woken twice for one answer.
    """

    intake: EventIntake | None = None
    _idle_since = math.inf
    """When the last answer was out (seconds of the loop's clock); infinite during a request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin on a connection."""
        super().connection_made(_OneWrite(transport, self.loop))  # type: ignore[arg-type]  # looks like one

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of a connection."""
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None

    def _unset_keepalive_if_required(self) -> None:
        """A request comes: the timer of idle connections will see it.

        uvicorn cancels that timer here and makes another after each answer, which costs more
        than answering does. This one runs on, and looks when it rings.
        """
        self._idle_since = math.inf

    def on_response_complete(self) -> None:
        """Begin on the next request that came already; without one, the connection is idle."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._watch_idleness(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that was idle for long enough."""
        self.timeout_keep_alive_task = None
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left <= 0:
            super().timeout_keep_alive_handler()
        elif left < math.inf:
            self._watch_idleness(left)

    def _watch_idleness(self, seconds: float) -> None:
        # A loop may count in whole milliseconds and ring one early.
        self.timeout_keep_alive_task = self.loop.call_later(
            max(seconds, 0.001), self.timeout_keep_alive_handler
        )

    def on_message_begin(self) -> None:
        """Begin on a request: its scope is made when it is known that it needs one."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """Choose the way."""
        if self.url == _HOT and self.intake is not None and self._is_plain():
            begun = self.intake.begin_one(self.headers)
            if begun is not None:
                self.cycle = _EventCall(self, begun)  # type: ignore[assignment]  # looks like one
                return
        url, headers, expected = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expected
        self.headers = self.scope["headers"] = headers
        super().on_headers_complete()

    def _is_plain(self) -> bool:
        parser = self.parser
        return (
            parser.get_method() == b"POST"
            and not self._is_busy()
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not self.expect_100_continue
            and not parser.should_upgrade()
        )

    def _is_busy(self) -> bool:
        cycle: Any = self.cycle  # None before the first request, whatever its type says
        return cycle is not None and not cycle.response_complete


class _EventCall:
    """One call of the short way; to uvicorn's protocol it looks like its `RequestResponseCycle`.

    It is its own `message_event`: that is set when a part of the body or its end has come.
    """

    __slots__ = (
        "_begun", "_begun_it", "_protocol", "body", "disconnected", "keep_alive", "message_event",
        "more_body", "response_complete",
    )  # fmt: skip

    def __init__(self, protocol: Protocol, begun: Begun) -> None:
        self._protocol = protocol
        self._begun = begun
        self._begun_it = False
        self.body = b""
        self.more_body = True
        self.message_event = self
        self.keep_alive = True
        self.disconnected = False
        self.response_complete = False

    def set(self) -> None:
        """More of the request has come; when it is whole, begin, once.

        It is set again when the connection is lost, be that before, during or after.
        """
        if self._begun_it or self.more_body or self.disconnected:
            return
        self._begun_it = True
        try:
            self._begun.take(self.body, self._done)
        except Exception as error:  # noqa: BLE001  whatever it is, the caller gets an answer
            self._answer(self._begun.refuse(error))

    def _done(self, accepted: Accepted | None, error: Exception | None) -> None:
        begun = self._begun
        if accepted is None:
            assert error is not None  # noqa: S101  one of the two there is
            self._answer(begun.refuse(error))
        else:
            self._answer(begun.answer(accepted))

    def _answer(self, answer: bytes) -> None:
        self.response_complete = True
        protocol = self._protocol
        if self.disconnected or protocol.transport.is_closing():
            return
        status, rest = answer.split(b"\r\n", 1)
        lines = [status]
        lines += [b"%b: %b" % header for header in protocol.server_state.default_headers]
        if not self.keep_alive:
            lines.append(b"connection: close")
        protocol.transport.write_now(b"\r\n".join((*lines, rest)))  # type: ignore[attr-defined]
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()


class _OneWrite:
    """A transport that joins two writes of one turn of the loop; else it is the one it wraps."""

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send, together with the next bytes if they come before this turn ends."""
        if self._held:
            data, self._held = self._held + data, b""
            self._transport.write(data)
        elif data:
            self._held = data
            self._loop.call_soon(self._flush)

    def write_now(self, data: bytes) -> None:
        """Send a whole answer."""
        self._flush()
        self._transport.write(data)

    def is_closing(self) -> bool:
        """Whether the connection is closing or closed."""
        return bool(self._transport.is_closing())

    def close(self) -> None:
        """Send what was held, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            data, self._held = self._held, b""
            self._transport.write(data)
