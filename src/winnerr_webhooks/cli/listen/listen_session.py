"""One run of `listen`: it passes deliveries to the receiver, and answers to server and display."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TextIO

import msgspec

from winnerr_webhooks.cli.api_client import Answer
from winnerr_webhooks.cli.listen.forwarder import REMEMBERED, Forwarder
from winnerr_webhooks.cli.listen.line_display import JsonLines, PlainLines
from winnerr_webhooks.cli.listen.listener_values import (
    ListenerRequest,
    OfferedDelivery,
    OpenListener,
    Row,
    report,
)
from winnerr_webhooks.cli.listen.server_link import (
    Closed,
    Connected,
    Lost,
    Message,
    Offered,
    ServerLink,
)
from winnerr_webhooks.cli.listen.table_display import TableDisplay
from winnerr_webhooks.clock import Clock, SystemClock
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.ids import Jitter

__all__ = ["ListenSession", "ListenerRequest", "display_for"]

STOPPED: Final = 0
FAILED: Final = 1
KEY_REFUSED: Final = os.EX_NOPERM
"""The API key is unknown or was revoked (sysexits.h)."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Display(Protocol):
    """Shows a run to a person or to a script."""

    def start(self, session: "ListenSession") -> None:
        """Begin; the session's event loop runs."""
        ...

    def connected(self, listener: OpenListener) -> None:
        """Deliveries come from now on."""
        ...

    def lost(self, reason: str) -> None:
        """No deliveries come until the next `connected`."""
        ...

    def changed(self, row: Row) -> None:
        """A delivery came, is waited for, was answered, or its answer was recorded."""
        ...

    def close(self) -> None:
        """End, and leave the terminal as it was."""
        ...


class ListenSession:
    """Connects a server, a receiver and a display, until it is stopped or the key is refused."""

    def __init__(
        self,
        server: str,
        key: str,
        request: ListenerRequest,
        *,
        allow_external: bool,
    ) -> None:
        self.request = request
        self.clock: Clock = SystemClock()
        self.listener: OpenListener | None = None
        self._allow_external = allow_external
        self._lost = ""
        """The reason that was shown last, why no deliveries come."""
        self._link = ServerLink(server, key, request, self._hear, Jitter())
        self._calls = ThreadPoolExecutor(1, "listen calls")
        self._tasks: set[asyncio.Task[None]] = set()
        self._rows: dict[tuple[str, int], Row] = {}

    async def run(self, display: Display) -> int:
        """Return the exit code. Raises `Invalid` before anything is sent, if the URL is wrong."""
        self._display = display
        self._loop = asyncio.get_running_loop()
        self._closed: asyncio.Future[Closed | None] = self._loop.create_future()
        self._forwarder = Forwarder(
            self.request.forward_to, allow_external=self._allow_external, clock=self.clock
        )
        try:
            await self._forwarder.check()
            for number in _SIGNALS:
                self._loop.add_signal_handler(number, self.stop)
            end = await self._show(display)
        finally:
            await self._close()
        if end is None:
            return STOPPED
        sys.stderr.write(f"winnerr-webhooks: {end.reason}\n")
        return KEY_REFUSED if end.key_refused else FAILED

    async def _show(self, display: Display) -> Closed | None:
        """Run until the end, with the display on."""
        display.start(self)
        try:
            self._link.start()
            return await self._closed
        finally:
            display.close()

    async def _close(self) -> None:
        await asyncio.to_thread(self._link.stop)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._forwarder.close()
        self._calls.shutdown(wait=False, cancel_futures=True)

    # --- what a person asks for -----------------------------------------------------------------

    def stop(self) -> None:
        """End the run."""
        self._end(None)

    def replay(self, row: Row) -> None:
        """Ask the server to send a delivery once more."""
        self._start(self._replay(row))

    async def _replay(self, row: Row) -> None:
        listener = self.listener
        if listener is None:
            return
        path = (
            f"/api/v1/organizations/{listener.organization_id}"
            f"/deliveries/{row.offer.delivery_id}/replay"
        )
        try:
            answer = await self._call(path, b"", None)
            row.note = "replay asked for" if answer.accepted else "replay refused"
        except Unavailable:
            row.note = "no replay: no answer"
        self._display.changed(row)

    # --- what comes from the server -------------------------------------------------------------

    def _hear(self, message: Message) -> None:
        """Hand a message from the stream's thread to the event loop."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._receive, message)

    def _receive(self, message: Message) -> None:
        match message:
            case Connected(listener=listener):
                self.listener, self._lost = listener, ""
                self._forwarder.use_timeout(listener.timeout)
                self._display.connected(listener)
            case Lost(reason=reason) if reason != self._lost:
                self._lost = reason
                self._display.lost(reason)
            case Closed():
                self._end(message)
            case Offered(offer=offer, stream=stream):
                self._start(self._deliver(offer, stream))

    async def _deliver(self, offer: OfferedDelivery, stream: str) -> None:
        """Forward a delivery, and report the answer on the stream that offered it."""
        row = self._rows.get(offer.key)
        if row is not None and row.is_recorded:
            # The server was killed between taking the answer and storing it. It asks once more.
            await self._report(offer, stream, row)
            return
        if row is None:
            row = self._rows[offer.key] = Row(offer, self.clock.now_ms())
            if len(self._rows) > REMEMBERED:
                del self._rows[next(iter(self._rows))]
        self._display.changed(row)

        def waiting() -> None:
            row.note = "waits for your receiver"
            self._display.changed(row)

        row.exchange = await self._forwarder.forward(offer, waiting)
        row.note = ""
        self._display.changed(row)
        row.is_recorded = await self._report(offer, stream, row)
        if not row.is_recorded:
            row.note = "not in the log yet"
        self._display.changed(row)

    async def _report(self, offer: OfferedDelivery, stream: str, row: Row) -> bool:
        """Return whether the server has recorded the answer; if not, it offers it again."""
        listener, exchange = self.listener, row.exchange
        if listener is None or exchange is None:
            return False
        path = f"/api/v1/organizations/{listener.organization_id}/listeners/{listener.id}/answers"
        try:
            body = msgspec.json.encode(report(offer, stream, exchange))
            return (await self._call(path, body, stream)).accepted
        except Unavailable:
            return False

    async def _call(self, path: str, body: bytes, stream: str | None) -> Answer:
        return await self._loop.run_in_executor(
            self._calls, lambda: self._link.call(path, body, stream=stream)
        )

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _end(self, closed: Closed | None) -> None:
        if not self._closed.done():
            self._closed.set_result(closed)


def display_for(stdout: TextIO, *, as_json: bool) -> Display:
    """Return the display for this output: a table on a terminal, else lines."""
    if as_json:
        return JsonLines(stdout)
    if stdout.isatty() and sys.stdin.isatty():
        return TableDisplay(stdout, sys.stdin)
    return PlainLines(stdout)
