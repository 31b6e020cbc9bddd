"""The HTTP server with an application of the test's own, and a bare connection to it."""

import asyncio
import contextlib
import socket
import struct

from tests.unit.api.conftest import until_closed

from winnerr_webhooks.api.http.http_server import HttpServer
from winnerr_webhooks.api.http_app import HttpApp
from winnerr_webhooks.budgets import Budgets, derive
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import Config

GET = b"GET /a%20b?c=d%20e HTTP/1.1\r\nHost: x\r\n\r\n"


@contextlib.asynccontextmanager
async def serving(app, *, send_buffer=0, limits=None):
    clock = SystemClock()
    server = HttpServer(
        HttpApp(app, None),
        clock=clock,
        connections_in=Budgets(derive(Config(), 20_000), clock).connections_in,
        descriptors=20_000,
        limits=limits,
    )
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if send_buffer:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    listener.bind(("127.0.0.1", 0))
    await server.start(listener, backlog=100)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    try:
        yield Client(server, reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        await until_closed(server)
        await server.stop(0)


class Client:
    """A bare connection to the server."""

    def __init__(self, server, reader, writer):
        self.server = server
        self.reader = reader
        self.writer = writer

    def send(self, data):
        self.writer.write(data)

    def reset(self):
        """Leave with a reset: an orderly end of one side only would leave the answer due."""
        own = self.writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def head(self):
        """The status and the headers of the next answer, without its date."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:-2])
        assert headers.pop("date").endswith(" GMT")
        return int(lines[0].split()[1]), headers

    @property
    def connection(self):
        (connection,) = self.server.state.connections
        return connection


def answering(*parts, status=200, headers=()):
    """An application that answers with these parts of a body."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for part in parts[:-1]:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": parts[-1]})

    return app


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)
