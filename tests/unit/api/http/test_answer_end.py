"""Answers that are not completed: applications that fail, readers that stall, and a stop."""

import asyncio
import contextlib

import pytest
import structlog
from tests.unit.api.http.asgi_server import GET, answering, serving, until

from winnerr_webhooks.api.http.connection_timeouts import TICKS

# Applications that fail.


def failing(*messages):
    async def app(scope, receive, send):
        for message in messages:
            await send(message)
        raise ValueError("a fault")

    return app


START = {"type": "http.response.start", "status": 200, "headers": []}
PART = {"type": "http.response.body", "body": b"part", "more_body": True}


@pytest.mark.parametrize(
    "app",
    [
        failing(),
        failing(START),
        failing(PART),
        failing(START, START),
        failing({**START, "headers": [(b"x", b"a\r\nb: c")]}),
        failing({**START, "headers": [(b"x y", b"a")]}),
        answering(b"four", headers=[(b"content-length", b"3")]),
        answering(b"four", headers=[(b"content-length", b"5")]),
    ],
    ids=["at once", "started", "out of turn", "twice", "value", "name", "too long", "too short"],
)
async def test_a_fault_before_anything_was_sent_is_500(app):
    async with serving(app) as client:
        with structlog.testing.capture_logs() as logs:
            client.send(GET)
            status, headers = await client.head()
        assert (status, headers["connection"]) == (500, "close")
        assert headers["content-type"] == "application/problem+json"
        assert b"a fault" not in await client.reader.read()
        assert [line["log_level"] for line in logs] == ["error"]


async def test_a_fault_after_a_part_was_sent_breaks_the_answer_off():
    """Without the last chunk, so that the caller sees that it is not whole."""
    async with serving(failing(START, PART)) as client:
        client.send(GET)
        assert (await client.head())[0] == 200
        assert await client.reader.read() == b"4\r\npart\r\n"


async def test_returning_without_an_answer_is_500_and_half_an_answer_breaks_off():
    async def half(scope, receive, send):
        if scope["query_string"]:
            await send(START)
            await send(PART)

    async with serving(half) as client:
        client.send(GET)
        assert (await client.head())[0] == 200
        assert await client.reader.read() == b"4\r\npart\r\n"
    async with serving(half) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await client.head())[0] == 500


async def test_a_stream_whose_reader_stalls_is_ended_after_the_time_of_a_request():
    """Its application sees the disconnect, and waits to send no longer."""
    ended = []

    async def app(scope, receive, send):
        await send(START)
        await receive()
        leaving = asyncio.ensure_future(receive())
        while not leaving.done():
            await send({"type": "http.response.body", "body": b"x" * 10_000, "more_body": True})
        ended.append(leaving.result())

    async with serving(app, send_buffer=4096) as client:
        client.send(GET)
        await client.head()
        connection = client.connection
        client.writer.transport.pause_reading()
        await until(lambda: connection.write_paused)
        ticks = 0
        while not connection.transport.is_closing():
            connection.tick()
            ticks += 1
        assert ticks > TICKS
        await until(lambda: ended)
        assert ended == [{"type": "http.disconnect"}]


# Stopping.


async def test_a_stop_closes_idle_connections_and_ends_what_is_under_way():
    may_answer = asyncio.Event()

    async def app(scope, receive, send):
        if scope["query_string"]:
            await may_answer.wait()
        await answering(b"", headers=[(b"content-length", b"0")])(scope, receive, send)

    async with serving(app) as busy:
        address = busy.writer.get_extra_info("peername")
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        busy.send(GET + GET)
        await until(lambda: any(one.request for one in busy.server.state.connections))
        stopping = asyncio.create_task(busy.server.stop(30))
        assert await reader.read() == b""
        with pytest.raises(ConnectionError):
            await asyncio.open_connection(*address)
        assert not stopping.done()
        may_answer.set()
        assert await busy.head() == (200, {"content-length": "0", "connection": "close"})
        assert await busy.reader.read() == b""
        busy.writer.close()  # the server drops the second request until its caller closes
        await stopping
        writer.close()
        await writer.wait_closed()


async def test_a_request_that_is_on_its_way_when_the_server_stops_is_answered():
    async with serving(answering(b"", headers=[(b"content-length", b"0")])) as client:
        client.send(GET)
        await client.head()
        stopping = asyncio.create_task(client.server.stop(30))
        await asyncio.sleep(0)
        client.send(GET)
        assert (await client.head())[0] == 200
        assert await client.reader.read() == b""
        await stopping


async def test_what_does_not_end_within_its_seconds_is_cut_off():
    cancelled = []

    async def app(scope, receive, send):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(scope["path"])
            raise

    async with serving(app) as client:
        client.send(GET)
        await until(lambda: client.server.state.connections and client.connection.request)
        await client.server.stop(0.05)
        assert cancelled == ["/a b"]
        with contextlib.suppress(ConnectionError):
            assert await client.reader.read() == b""
