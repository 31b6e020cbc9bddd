"""Which connection is closed for a new one: real sockets, a low limit."""

import asyncio
import contextlib
import json
import resource
import socket

import pytest
import structlog

from winnerr_webhooks.budgets import Budgets, derive
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import Config

EVENT = json.dumps({"event": "contact.created", "organizationId": "org_1", "data": {}}).encode()
PING = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def server(sqlite_path, request):
    """An API with a limit of open connections."""
    running = request.getfixturevalue("run")

    def start(most, **options):
        bounds = derive(Config(), 20_000)
        bounds = bounds._replace(connections_in=bounds.connections_in._replace(limit=most))
        return running(sqlite_path, budgets=Budgets(bounds, SystemClock()), idle=75, **options)

    return start


class Client:
    """A bare connection to the server."""

    def __init__(self, api, reader, writer):
        self.api = api
        self.reader = reader
        self.writer = writer

    def send_post(self, path="/api/v1/events", body=EVENT, *, key=None, less=0):
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key or self.api.key}\r\n"
        sent = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        self.writer.write(sent[: len(sent) - less])

    async def status(self):
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(
            line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
        )
        await self.reader.readexactly(int(length.split(b":")[1]))
        return int(head.split()[1])

    async def ping(self):
        self.writer.write(PING)
        return await self.status()

    async def post(self):
        self.send_post()
        return await self.status()

    async def ended(self):
        """Wait until the server has closed it."""
        with contextlib.suppress(ConnectionError):
            assert await self.reader.read() == b""


@contextlib.asynccontextmanager
async def clients(api, count=1):
    opened = []
    try:
        for _ in range(count):
            opened.append(Client(api, *await api.connect()))
            await taken(api, opened[-1])
        yield opened
    finally:
        for line in opened:
            line.writer.transport.abort()


async def taken(api, line):
    """Wait until the server has this connection."""
    own = line.writer.get_extra_info("sockname")
    await until(lambda: any(peer(one) == own for one in api.connections))


def peer(connection):
    return connection.transport.get_extra_info("peername")


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


def connection_of(api, line):
    own = line.writer.get_extra_info("sockname")
    (one,) = [one for one in api.connections if peer(one) == own]
    return one


async def test_a_probe_gets_in_for_the_oldest_idle_connection_without_a_key(server):
    async with server(3) as api, clients(api, 3) as (oldest, *others), clients(api) as (probe,):
        assert await probe.ping() == 200
        await oldest.ended()
        assert [await line.ping() for line in others] == [200, 200]
        assert api.services.budgets.connections_in.refused == 1
        assert api.services.budgets.connections_in.in_use == 3


async def test_a_hundred_newcomers_get_in_one_after_the_other_and_are_logged_once(server):
    with structlog.testing.capture_logs() as logs:
        async with server(3) as api, clients(api, 3):
            for _ in range(100):
                async with clients(api) as (probe,):
                    assert await probe.ping() == 200
            assert api.services.budgets.connections_in.in_use <= 3
    assert [line["budget"] for line in logs if line["event"] == "a budget is spent"] == [
        "connections_in"
    ]


async def test_a_caller_with_a_key_stays_before_any_without(server):
    """Also one that has had its answer long before the others came."""
    async with server(2) as api, clients(api) as (caller,):
        assert await caller.post() == 202
        async with clients(api, 5) as (first, *_rest):
            await first.ended()
            assert await caller.post() == 202
            assert await caller.post() == 202  # the fast path, on the same connection


async def test_newcomers_have_time_to_show_a_key_although_callers_hold_all_places(server):
    """Also while others come: of sixteen places, two are theirs."""
    async with server(16) as api, clients(api, 16) as callers:
        for caller in callers:
            assert await caller.post() == 202
        async with clients(api, 2) as (early, late):
            for idle in callers[:2]:
                await idle.ended()
            assert await early.post() == 202
            assert await late.ping() == 200
            assert [await caller.post() for caller in callers[2:]] == [202] * 14


@pytest.mark.parametrize("sent", [b"GET / HT", PING + b"POST /api", b"POST / HTTP/1.1\r\nA: "])
async def test_half_a_request_without_a_key_protects_no_connection(server, sent):
    async with server(1) as api, clients(api) as (half,):
        half.writer.write(sent)
        await until(lambda: connection_of(api, half)._reading)
        async with clients(api) as (probe,):
            assert await probe.ping() == 200
            await until(lambda: len(api.connections) == 1)


async def test_idle_callers_go_before_half_received_requests_with_a_key(server):
    async with server(2) as api, clients(api, 2) as (slow, idle):
        assert await slow.post() == await idle.post() == 202
        slow.send_post(less=1)
        await until(lambda: connection_of(api, slow).is_receiving())
        async with clients(api) as (probe,):
            assert await probe.ping() == 200
            await idle.ended()
            slow.writer.write(EVENT[-1:])
            assert await slow.status() == 202


async def test_a_request_with_a_key_that_stays_half_received_goes_at_last(server):
    async with server(1) as api, clients(api) as (slow,):
        assert await slow.post() == 202
        slow.send_post(less=1)
        await until(lambda: connection_of(api, slow).is_receiving())
        async with clients(api) as (probe,):
            assert await probe.ping() == 200
            await slow.ended()


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/events/batch"])
async def test_only_when_all_are_answering_callers_the_newcomer_is_closed(server, path):
    body = EVENT if path.endswith("events") else b"[%b]" % EVENT
    async with server(1) as api, clients(api) as (busy,):
        assert await busy.post() == 202
        api.node.is_open.clear()
        busy.send_post("/api/v1/events")
        await until(lambda: connection_of(api, busy).is_answering())
        newcomer = Client(api, *await api.connect())
        newcomer.writer.write(PING)
        await newcomer.ended()
        newcomer.writer.transport.abort()
        api.node.is_open.set()
        assert await busy.status() == 202
        busy.send_post(path, body)
        assert await busy.status() == 202
        async with clients(api) as (probe,):  # it is idle again, so a newcomer gets in
            assert await probe.ping() == 200
            await busy.ended()


async def test_a_probe_that_is_being_answered_stays_while_others_are_idle(server, monkeypatch):
    async with server(2) as api, clients(api, 2) as (probe, idle):
        may_answer, asked = asyncio.Event(), asyncio.Event()
        check = api.storage.check

        async def slow_check():
            asked.set()
            await may_answer.wait()
            await check()

        monkeypatch.setattr(api.storage, "check", slow_check)
        probe.writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        await asked.wait()
        async with clients(api) as (newcomer,):
            await idle.ended()
            may_answer.set()
            assert await probe.status() == 200
            assert await newcomer.ping() == 200


async def test_with_nearly_no_descriptor_left_newcomers_take_others_room(server):
    """Whatever took them: the number of a new descriptor tells."""
    with socket.socket() as lowest_free:
        free = lowest_free.fileno()
    async with server(1_000, descriptors=free + 60) as api, clients(api, 60) as opened:
        await opened[0].ended()
        async with clients(api) as (probe,):
            assert await probe.ping() == 200


async def test_when_no_descriptor_is_left_room_is_made_and_logged_once_a_minute(server):
    async with server(1_000) as api, clients(api, 30):
        connections = api.server.state.open_connections
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with structlog.testing.capture_logs() as logs:
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            try:
                connections.keep_descriptors_free()
                connections.keep_descriptors_free()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await until(lambda: not api.connections)
        said = [line["event"] for line in logs]
        assert said.count("callers cannot connect: no descriptor is left") == 1
        async with clients(api) as (probe,):
            assert await probe.ping() == 200
