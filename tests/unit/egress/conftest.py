"""Scripted receivers on loopback, and a client that may reach them.

Everything here runs on uvloop, as the product does, and in `make thorough` on asyncio's own loop.
"""

import asyncio
import ipaddress
import socket
import ssl
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest
import trustme
import uvloop
from tests.thorough import mark_other_loops

from winnerr_webhooks.clock import Clock, SystemClock
from winnerr_webhooks.domain.attempt import Exchange
from winnerr_webhooks.domain.url import parse_url
from winnerr_webhooks.egress.address_policy import Address, AddressPolicy
from winnerr_webhooks.egress.client import EgressClient
from winnerr_webhooks.egress.resolver import ResolveError
from winnerr_webhooks.egress.tls import client_context
from winnerr_webhooks.quotas import Bound, Budget

A, AAAA = 1, 28
"""Types of DNS records (RFC 1035, 3.2.2; RFC 3596)."""
NXDOMAIN = 3
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


def pytest_asyncio_loop_factories(config, item):
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


def pytest_itemcollected(item):
    mark_other_loops(item)


class Peer:
    """A connection from the receiver's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.sent = 0

    async def request(self) -> bytes:
        """Read a whole request."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        return head + await self.reader.readexactly(length)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()
        self.sent += len(data)

    async def flood(self, piece: bytes, limit: int) -> None:
        """Send a piece repeatedly, until the client disconnects or `limit` bytes are sent."""
        while self.sent < limit:
            await self.send(piece)

    async def gone(self) -> None:
        """Wait until the client has closed the connection."""
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass

    def reset(self) -> None:
        """End the connection with a RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


class Receiver:
    """A server on loopback that runs the script on every connection."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.peers: list[Peer] = []
        self.errors: list[BaseException] = []
        self.ended = asyncio.Event()
        """Set whenever a script has ended."""
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def start(self, tls: ssl.SSLContext | None) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls, limit=2**20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        assert not self.errors, self.errors

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        peer = Peer(reader, writer)
        self.peers.append(peer)
        try:
            await self.script(peer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass
        except BaseException as error:  # noqa: BLE001  reported when the receiver stops
            self.errors.append(error)
        finally:
            self.ended.set()
            writer.transport.abort() if writer.transport.is_closing() else writer.close()
            with suppress(ConnectionError, asyncio.CancelledError, ssl.SSLError):
                await writer.wait_closed()
            self._tasks.discard(task)


class Names:
    """A resolver that answers from a table; a list of lists gives successive answers."""

    def __init__(self) -> None:
        self.table: dict[str, list[list[str]]] = {}
        self.asked: list[str] = []

    def set(self, host: str, *answers: list[str]) -> None:
        self.table[host] = list(answers)

    async def resolve(self, host: str) -> list[Address]:
        self.asked.append(host)
        answers = self.table.get(host)
        if answers is None:
            raise ResolveError("nxdomain")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return [ipaddress.ip_address(text) for text in answer]


class NameServer(asyncio.DatagramProtocol):
    """A UDP name server with a table: name -> addresses, a response code, or None for no answer."""

    def __init__(self) -> None:
        self.zone: dict[str, list[str] | int | None] = {}
        self.mute: set[int] = set()
        """Record types that it never answers."""
        self.truncated = False
        self.drop = 0
        """How many questions it drops before it answers."""
        self.ttl = 300
        self.negative_ttl: int | None = None
        """How long the zone allows caching that a name does not exist (RFC 2308, 5)."""
        self.asked: Counter[str] = Counter()
        self.arrived = asyncio.Event()
        self.held: asyncio.Event | None = None
        self._replies: set[asyncio.Task[None]] = set()

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, peer) -> None:
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode())
            at += data[at] + 1
        name = ".".join(labels).lower()
        (kind,) = struct.unpack_from("!H", data, at + 1)
        question = data[12 : at + 5]
        if kind == A:
            self.asked[name] += 1
        self.arrived.set()
        found = self.zone.get(name, NXDOMAIN)
        if found is None or kind in self.mute:
            return
        if self.drop:
            self.drop -= 1
            return
        code = found if isinstance(found, int) else 0
        wanted = {A: 4, AAAA: 6}.get(kind)
        addresses = [] if code else [ipaddress.ip_address(a) for a in found]
        records = [a.packed for a in addresses if a.version == wanted]
        answer = b"".join(
            struct.pack("!HHHIH", 0xC00C, kind, 1, self.ttl, len(packed)) + packed
            for packed in records
        )
        head = data[:2] + struct.pack(
            "!HHHHH",
            0x8180 | (0x200 if self.truncated else 0) | code,
            1,
            len(records),
            int(self.negative_ttl is not None and not records),
            0,
        )
        if self.negative_ttl is not None and not records:
            start = b"\0\0" + struct.pack("!IIIII", 1, 7200, 3600, 86400, self.negative_ttl)
            answer += struct.pack("!HHHIH", 0xC00C, 6, 1, self.negative_ttl, len(start)) + start
        reply = asyncio.ensure_future(self._reply(head + question + answer, peer))
        self._replies.add(reply)
        reply.add_done_callback(self._replies.discard)

    async def _reply(self, data: bytes, peer) -> None:
        if self.held is not None:
            await self.held.wait()
        self.transport.sendto(data, peer)


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[Receiver]]]:
    """Start receivers that run a script, over TLS if there is a context."""
    started: list[Receiver] = []

    async def start(script: Script, *, tls: ssl.SSLContext | None = None) -> Receiver:
        receiver = Receiver(script)
        await receiver.start(tls)
        started.append(receiver)
        return receiver

    yield start
    for receiver in started:
        await receiver.stop()


@pytest.fixture
def kept() -> Callable[..., Budget]:
    """Create budgets for idle connections."""

    def make(limit: int, clock: Clock | None = None) -> Budget:
        bound = Bound("kept_connections", limit, "connections", "test", "egress.pool", "")
        return Budget(bound, clock or SystemClock())

    return make


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def trusting(authority) -> ssl.SSLContext:
    context = client_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
async def make_client(names, trusting, kept) -> AsyncIterator[Callable[..., EgressClient]]:
    """Create clients that may reach loopback, also over plain HTTP, and trust `authority`."""
    made: list[EgressClient] = []

    def make(**options) -> EgressClient:
        defaults = {
            "policy": AddressPolicy(allow=LOOPBACK, allow_http=True),
            "resolver": names,
            "clock": SystemClock(),
            "timeout": 30.0,
            "new_context": lambda: trusting,
            "kept": kept(1_024),
        }
        made.append(EgressClient(**(defaults | options)))
        return made[-1]

    yield make
    for client in made:
        await client.close()


@pytest.fixture
def client(make_client) -> EgressClient:
    return make_client()


@pytest.fixture
def post() -> Callable[..., Awaitable[Exchange]]:
    """Send a request to a URL with a client."""

    async def send(
        client: EgressClient, url: str, body: bytes = b"{}", organization: str = "org_1"
    ) -> Exchange:
        destination = parse_url(url, allow_http=True)
        head = (
            f"POST {destination.target} HTTP/1.1\r\nHost: {destination.authority}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return await client.post(destination, organization, head.encode(), body)

    return send


@pytest.fixture
def ask(serve, client, post) -> Callable[..., Awaitable[Exchange]]:
    """Answer a request with these bytes and return the client's result."""

    async def exchange(answer: bytes, *, close: bool = False) -> Exchange:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(answer)
            if not close:
                await peer.gone()

        receiver = await serve(script)
        return await post(client, f"http://127.0.0.1:{receiver.port}/")

    return exchange


@pytest.fixture
async def dns():
    """A name server, with a socket that reserves its port for TCP, too."""
    loop = asyncio.get_running_loop()
    while True:
        over_tcp = socket.socket()
        over_tcp.bind(("127.0.0.1", 0))
        try:
            transport, server = await loop.create_datagram_endpoint(
                NameServer, local_addr=over_tcp.getsockname()
            )
        except OSError:  # the same port for UDP is somebody else's
            over_tcp.close()
        else:
            break
    server.over_tcp = over_tcp
    yield server
    transport.close()
    over_tcp.close()
