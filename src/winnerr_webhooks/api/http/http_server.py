"""The HTTP server: listens on a socket, and stops without cutting answers short."""

import asyncio
import socket
from typing import Final

import structlog

from winnerr_webhooks.api.http.client_connection import ClientConnection, ServerState
from winnerr_webhooks.api.http.connection_timeouts import TICKS, ConnectionTimeouts
from winnerr_webhooks.api.http.date_header import DateHeader
from winnerr_webhooks.api.http.fast_path import FastPath
from winnerr_webhooks.api.http.open_connections import OpenConnections
from winnerr_webhooks.api.http.request_head import Limits
from winnerr_webhooks.api.http_app import HttpApp
from winnerr_webhooks.clock import Clock
from winnerr_webhooks.quotas import Budget

IDLE_SECONDS: Final = 75.0
"""How long a connection is kept between two requests."""
IN_TRANSIT_SECONDS: Final = 0.1
"""How long a stopping server still reads from idle connections: a request may be on its way."""

log = structlog.get_logger(__name__)


class HttpServer:
    """Serves an application on one listening socket."""

    def __init__(
        self,
        http_app: HttpApp,
        *,
        clock: Clock,
        connections_in: Budget,
        descriptors: int,
        limits: Limits | None = None,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """`descriptors`: how many file descriptors this process may have."""
        limits = limits or Limits()
        tick = limits.request_seconds / TICKS
        open_connections = OpenConnections(connections_in, descriptors)
        self._server: asyncio.Server | None = None
        self.state = ServerState(
            http_app.app,
            None if http_app.events is None else FastPath(http_app.events),
            limits=limits,
            idle_ticks=idle_seconds / tick,
            open_connections=open_connections,
            timeouts=ConnectionTimeouts(tick, open_connections.keep_descriptors_free),
            date=DateHeader(clock.now_ms),
        )

    async def start(self, listener: socket.socket, *, backlog: int) -> None:
        """Accept connections on a bound socket; `backlog` of them may wait for that."""
        self._server = await asyncio.get_running_loop().create_server(
            lambda: ClientConnection(self.state), sock=listener, backlog=backlog
        )

    async def stop(self, seconds: float) -> None:
        """Accept no more connections, and close each after the answer that is due.

        What has not ended after `seconds` is cut off.
        """
        state = self.state
        if self._server is not None:
            self._server.close()
        if state.connections:
            await asyncio.sleep(IN_TRANSIT_SECONDS)
        state.is_stopping = True
        for connection in tuple(state.connections):
            connection.shut_down()
        if state.connections or state.tasks:
            state.is_quiet.clear()
            try:
                async with asyncio.timeout(seconds):
                    await state.is_quiet.wait()
            except TimeoutError:
                await self._cut_off()

    async def _cut_off(self) -> None:
        state = self.state
        log.warning(
            "requests did not end in time and are cut off",
            connections=len(state.connections),
            requests=len(state.tasks),
        )
        for task in tuple(state.tasks):
            task.cancel()
        for connection in tuple(state.connections):
            connection.abort()
        await asyncio.gather(*state.tasks, return_exceptions=True)
