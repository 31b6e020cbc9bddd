"""How connections end: callers that do not read, are late, or go on sending after an answer."""

import asyncio
import contextlib
import re

import pytest
from tests.unit.api.http.bare_client import (
    BAD,
    GOOD,
    PING,
    SOON,
    connect_to,
    known_client,
    request,
    slow_reader,
    the_connection,
    until,
)

from winnerr_webhooks.api.http.body_framing import ChunkedBody, DiscardedBytes
from winnerr_webhooks.api.http.connection_timeouts import TICKS


async def test_answers_to_a_caller_that_does_not_read_do_not_pile_up(server):
    async with server(send_buffer=4096) as api, slow_reader(api) as client:
        client.post()
        assert await client.status() == 202
        connection = the_connection(api)
        count = 1200
        for _ in range(count):
            client.post(BAD)
        await until(lambda: connection.write_paused and connection._read_paused)
        assert connection.transport.get_write_buffer_size() < 128 * 1024
        for _ in range(count):
            assert await client.status() == 422
        client.post()
        assert await client.status() == 202


async def test_a_caller_that_never_reads_is_hung_up_on(server):
    async with server(SOON, send_buffer=4096) as api, slow_reader(api) as client:
        for _ in range(3000):
            client.post(BAD)
        await until(lambda: api.connections)
        await until(lambda: not api.connections)


# Time.


async def test_a_connection_that_says_nothing_is_closed(server):
    async with server(SOON) as api, connect_to(api) as client:
        assert await client.reader.read() == b""


async def test_half_a_request_is_408_in_the_end(server):
    """Cut off in its method, in its head or in its body, and whether it is short or long."""
    async with server(SOON) as api:
        await api.webhook()

        async def half(body, cut):
            async with known_client(api) as client:
                client.send(request(api, body)[:cut])
                return await client.last_answer()

        bodies = (GOOD, GOOD | {"data": {"text": "x" * 70_000}})
        halves = [half(body, cut) for body in bodies for cut in (3, 50, -1)]
        assert await asyncio.gather(*halves) == [408] * 6
        status, found = await api.call("GET", "~/deliveries")
        assert status == 200
        assert len(found["items"]) == 6, "those that made the key known"


async def test_half_a_request_after_an_answer_that_is_due_is_408_after_it(server):
    async with server(SOON) as api, known_client(api) as client:
        api.node.is_open.clear()
        client.send(request(api, GOOD) + PING[:10])
        await until(lambda: the_connection(api)._received)
        assert the_connection(api)._read_paused
        api.node.is_open.set()
        assert await client.status() == 202
        assert await client.last_answer() == 408


async def test_a_body_that_is_answered_already_is_not_waited_for_forever(server):
    async with server(SOON) as api, connect_to(api) as client:
        client.post(GOOD, length=10_000_000)
        assert await client.status() == 413
        assert await client.reader.read() == b""


async def test_neither_the_answer_nor_the_pause_between_requests_counts_as_lateness(server):
    async with server(SOON) as api, known_client(api) as client:
        connection = the_connection(api)
        api.node.is_open.clear()
        client.post()
        await until(lambda: connection._age > 20)
        api.node.is_open.set()
        assert await client.status() == 202
        await until(lambda: connection._age > 20)
        client.post()
        assert await client.status() == 202


async def test_an_idle_connection_is_closed_in_the_end(server):
    async with server(SOON, idle=0.5) as api, known_client(api) as client:
        connection = the_connection(api)
        assert await client.reader.read() == b""
        assert connection._age > 0.5 / (0.3 / 12)


# Lingering.


def is_lingering(api):
    return isinstance(the_connection(api)._reading, DiscardedBytes)


async def test_an_early_answer_is_not_reset_when_its_body_breaks_off_in_nonsense(api):
    """A caller may read only after it has sent everything (RFC 9112, section 9.6)."""
    async with connect_to(api) as client:
        client.send(b"POST /api/v1/events/batch HTTP/1.1\r\nHost: x\r\n")
        client.send(b"Transfer-Encoding: chunked\r\n\r\n2\r\n")
        await until(lambda: api.connections)
        connection = the_connection(api)
        await until(lambda: isinstance(connection._reading, ChunkedBody) and not connection.request)
        client.send(b"zz\nGET")  # after the 401, which has not been read
        await until(lambda: is_lingering(api))
        for _ in range(20):
            client.send(b"x" * 65_536)
            await client.writer.drain()
        client.writer.write_eof()
        await until(lambda: not api.connections)
        assert await client.status() == 401
        assert await client.reader.read() == b""


async def test_a_late_body_is_not_reset_after_its_early_answer(server):
    async with server(SOON) as api, connect_to(api) as client:
        client.post(GOOD, length=10_000_000)
        await until(lambda: api.connections and is_lingering(api))
        client.send(b"x" * 65_536)
        client.writer.write_eof()
        await until(lambda: not api.connections)
        assert await client.status() == 413
        assert await client.reader.read() == b""


async def test_a_slow_reader_gets_its_whole_last_answer(server):
    """While it takes some of the answer, no time limit ends the connection."""
    async with server(send_buffer=4096) as api, slow_reader(api) as client:
        client.send(b"GET /api/openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        client.send(b"and more")
        head = await client.reader.readuntil(b"\r\n\r\n")
        connection = the_connection(api)
        assert is_lingering(api)
        received, ticks = 0, 0
        while data := await client.reader.read(16_384):
            received += len(data)
            if connection.transport.get_write_buffer_size():
                connection.tick()
                ticks += 1
        assert ticks > 2
        assert received == int(re.search(rb"content-length: (\d+)", head)[1])


async def test_lingering_ends_in_the_time_of_a_request_and_at_a_stop(api):
    for stops in (False, True):
        async with connect_to(api) as client:
            client.send(b"G@T / HTTP/1.1\r\n\r\n")
            assert (await client.answer())[0] == 400
            connection = the_connection(api)
            api.server.state.is_stopping = stops
            for _ in range(1 if stops else TICKS):
                assert not connection.transport.is_closing()
                connection.tick()
            connection.tick()
            await until(lambda: not api.connections)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"HEAD /healthz HTTP/1.1\r\n\r\n", 400),
        (b"HEAD /healthz HTTP/3.0\r\n\r\n", 400),
        (b"HEAD /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000, 431),
        (b"HEAD /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"HEAD /healthz HTTP/1.1\r\nHost: x\r\nContent-Encoding: br\r\n\r\n", 415),
        (b"HEAD http://[ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"HEAD /healthz HTTP/1.1\r\nHost: x", 408),
    ],
)
async def test_a_refused_head_request_gets_no_body(server, head, status):
    """Only the headers that the answer to GET would have (RFC 9110, section 9.3.2)."""
    async with server(SOON) as api, connect_to(api) as client:
        client.send(head)
        answer = await client.reader.read()
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert answer.endswith(b"\r\n\r\n")
        assert b"content-length: 0" not in answer


async def test_a_head_request_whose_body_is_late_gets_no_body(server):
    """The application must be waiting for the body, or it would have answered already."""

    async def waiting(scope, receive, send):
        await receive()
        await receive()

    async with server(SOON) as api, connect_to(api) as client:
        api.server.state.app = waiting
        client.send(b"HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
        answer = await client.reader.read()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert answer.endswith(b"\r\n\r\n")


async def test_a_caller_that_goes_on_sending_after_a_refusal_is_hung_up_on(server):
    async with server(SOON) as api, connect_to(api) as client:
        client.send(b"G@T")
        assert (await client.answer())[0] == 400
        with contextlib.suppress(ConnectionError):
            while api.connections:
                client.send(b"x" * 1000)
                await client.writer.drain()
