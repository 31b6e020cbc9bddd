"""A bare connection to the API's server, for requests that no client library sends."""

import asyncio
import contextlib
import json
import socket

from winnerr_webhooks.api.http.request_head import Limits

GOOD = {"event": "contact.created", "organizationId": "org_1", "data": {"id": "c1"}}
BAD = GOOD | {"event": "contact.creatde"}
SOON = Limits(request_seconds=0.3)
PING = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


class Client:
    """A bare connection to the server."""

    def __init__(self, api, reader, writer):
        self.api = api
        self.reader = reader
        self.writer = writer

    def send(self, data):
        self.writer.write(data)

    def post(self, body=GOOD, *lines, path="/api/v1/events", length=None):
        self.send(request(self.api, body, *lines, path=path, length=length))

    async def answer(self):
        """Status, headers and body of the next answer; an error is held to be a whole problem."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        first, *lines = head.strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        raw = await self.reader.readexactly(int(headers["content-length"]))
        status = int(first.split()[1])
        body = json.loads(raw) if headers["content-type"].endswith("json") else raw
        if status >= 400:
            assert headers["content-type"] == "application/problem+json"
            assert headers["cache-control"] == "no-store"
            assert {"type", "title", "status", "detail"} <= body.keys()
            assert body["status"] == status
        return status, headers, body

    async def status(self):
        return (await self.answer())[0]

    async def last_answer(self):
        """The status of an answer after which the server closes."""
        status, headers, _ = await self.answer()
        assert headers["connection"] == "close"
        assert await self.reader.read() == b""
        return status


def request(api, body, *lines, path="/api/v1/events", length=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {api.key}",
        *(
            []
            if "Transfer-Encoding: chunked" in lines
            else [f"Content-Length: {length or len(raw)}"]
        ),
        *lines,
    )
    return "\r\n".join((*head, "", "")).encode() + raw


@contextlib.asynccontextmanager
async def connect_to(api, **options):
    where = {} if "sock" in options else {"host": "127.0.0.1", "port": api.port}
    reader, writer = await asyncio.open_connection(**where, **options)
    try:
        yield Client(api, reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def slow_reader(api):
    """A connection whose client takes only what it reads: its buffers are as small as can be."""
    ours = socket.socket()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    ours.setblocking(False)
    await asyncio.get_running_loop().sock_connect(ours, ("127.0.0.1", api.port))
    async with connect_to(api, sock=ours, limit=1024) as client:
        yield client


@contextlib.asynccontextmanager
async def known_client(api):
    """A connection whose server knows the key: calls may be short from now on."""
    async with connect_to(api) as client:
        client.post()
        assert await client.status() == 202
        yield client


async def until(condition):
    while not condition():
        await asyncio.sleep(0.002)


def the_connection(api):
    (connection,) = api.connections
    return connection
