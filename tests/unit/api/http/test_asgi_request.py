"""What an ASGI application may rely on, over real sockets (ASGI 3.0, HTTP specification 2.5)."""

import asyncio
import socket
import struct

import pytest
from tests.unit.api.http.asgi_server import GET, answering, serving, until

from winnerr_webhooks.api.http.client_connection import LARGE_READ, SMALL_READ
from winnerr_webhooks.api.http.request_head import Limits


# The scope.
async def test_the_scope_says_what_the_request_does():
    scopes = []

    async def app(scope, receive, send):
        scopes.append(scope)
        await answering(b"")(scope, receive, send)

    async with serving(app) as client:
        client.send(GET.replace(b"Host: x", b"Host: x\r\nX-A: 1 \r\nx-a: 2"))
        await client.head()
        (scope,) = scopes
        expected = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/a b",
            "raw_path": b"/a%20b",
            "query_string": b"c=d%20e",
            "root_path": "",
            "headers": [(b"host", b"x"), (b"x-a", b"1"), (b"x-a", b"2")],
            "client": client.writer.get_extra_info("sockname"),
            "server": client.writer.get_extra_info("peername"),
            "state": {},
        }
        assert scope == expected


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"http://host/a", "/a"),
        (b"http://host", "/"),
        (b"/%E2%98%83", "/\N{SNOWMAN}"),
        (b"//a", "//a"),
    ],
)
async def test_a_target_of_any_form_has_a_path(target, path):
    async def app(scope, receive, send):
        await answering(scope["path"].encode())(scope, receive, send)

    async with serving(app) as client:
        client.send(b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % target)
        await client.head()
        body = (await client.reader.read()).decode()
        assert body == f"{len(path.encode()):x}\r\n{path}\r\n0\r\n\r\n"


async def test_a_target_that_is_no_url_is_400():
    async with serving(answering(b"")) as client:
        client.send(b"GET http://a:b:c/ HTTP/1.1\r\nHost: x\r\n\r\n")
        status, headers = await client.head()
        assert (status, headers["connection"]) == (400, "close")


async def test_a_caller_that_is_gone_has_no_address():
    seen, faults = [], []

    async def app(scope, receive, send):
        seen.append(scope["client"])
        await answering(b"")(scope, receive, send)

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: faults.append(context))
    async with serving(app) as client:
        with socket.create_connection(client.writer.get_extra_info("peername")) as other:
            other.sendall(GET)
            other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.send(GET)
        await client.head()
        assert client.writer.get_extra_info("sockname") in seen
        assert not faults


# The request's body.
async def test_a_body_is_read_only_while_the_application_waits_for_it():
    may_read = asyncio.Event()
    bodies = []

    async def app(scope, receive, send):
        await may_read.wait()
        message = {"more_body": True}
        while message["more_body"]:
            message = await receive()
            assert message["type"] == "http.request"
            bodies.append(message["body"])
        await answering(b"ok")(scope, receive, send)

    size = 4_000_000
    async with serving(app) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        client.send(b"x" * size)
        await until(lambda: client.server.state.connections and client.connection.request)
        await until(lambda: client.connection._read_paused)
        request = client.connection.request
        assert len(request._body) + len(client.connection._received) <= SMALL_READ
        may_read.set()
        assert (await client.head())[0] == 200
        assert sum(map(len, bodies)) == size
        assert max(map(len, bodies)) <= LARGE_READ


async def test_after_the_body_receive_waits_for_the_disconnect():
    seen = []

    async def app(scope, receive, send):
        seen.append(await receive())
        seen.append(await receive())

    async with serving(app) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab")
        await until(lambda: seen)
        client.reset()
        await until(lambda: len(seen) == 2)
        assert seen == [
            {"type": "http.request", "body": b"ab", "more_body": False},
            {"type": "http.disconnect"},
        ]


async def test_after_the_response_receive_gives_the_disconnect():
    seen = []

    async def app(scope, receive, send):
        await answering(b"ok")(scope, receive, send)
        seen.append(await receive())
        await send({"type": "http.response.body", "body": b"dropped"})

    async with serving(app) as client:
        client.send(GET)
        await client.head()
        await until(lambda: seen)
        assert seen == [{"type": "http.disconnect"}]


@pytest.mark.parametrize(
    ("chunks", "body"),
    [
        (b"3\r\nabc\r\n2;a=b\r\nde\r\n0\r\n\r\n", b"abcde"),
        (
            b"00a\r\n\r\n\r\n\r\n\r\n\r\n\r\n0;x\r\nTrailer: v\r\nB:\r\n\r\n",
            b"\r\n\r\n\r\n\r\n\r\n",
        ),
        (b"0\r\n\r\n", b""),
        (b"A\r\n0123456789\r\n000\r\n\r\n", b"0123456789"),
    ],
)
@pytest.mark.parametrize("size", [1, 5, 1000])
async def test_a_chunked_body_is_joined_however_it_is_cut(chunks, body, size):
    async def app(scope, receive, send):
        received, message = b"", {"more_body": True}
        while message["more_body"]:
            message = await receive()
            received += message["body"]
        await answering(received, headers=[(b"content-length", b"%d" % len(received))])(
            scope, receive, send
        )

    async with serving(app) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(chunks), size):
            client.send(chunks[start : start + size])
            await asyncio.sleep(0)
        assert (await client.head())[0] == 200
        assert await client.reader.readexactly(len(body)) == body
        client.send(GET)  # the next request begins where the chunks end


@pytest.mark.parametrize(
    "chunks",
    [
        b"g\r\n", b"-1\r\n", b"+1\r\na\r\n", b"0x1\r\na\r\n", b"1\na\r\n", b"1\r\nab\r\n",
        b"1\r\na\n", b"1 \r x\r\n", b"\r\n", b"1;a\x00\r\na\r\n", b"0\r\nno trailer\r\n",
        b"0\r\n a: b\r\n", b"0\r\na\x00: b\r\n", b"1111111111111111\r\n", b"1,1\r\n",
        b"1\r\na\r\r\n",
    ],
)  # fmt: skip
async def test_a_body_with_broken_chunks_is_400_and_the_end(chunks):
    async def app(scope, receive, send):
        while (message := await receive())["type"] == "http.request":
            assert message["more_body"]

    async with serving(app) as client:
        client.send(
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + GET
        )
        status, headers = await client.head()
        assert (status, headers["connection"]) == (400, "close")
        await client.reader.readexactly(int(headers["content-length"]))
        assert await client.reader.read() == b""


# The answer.
async def test_an_answer_without_a_length_is_chunked():
    async with serving(answering(b"ab", b"", b"c", b"")) as client:
        client.send(GET)
        assert await client.head() == (200, {"transfer-encoding": "chunked"})
        assert await client.reader.readexactly(18) == b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
        client.send(GET)
        assert (await client.head())[0] == 200


async def test_to_http_1_0_an_answer_without_a_length_ends_with_the_connection():
    async with serving(answering(b"ab", b"c")) as client:
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        assert await client.head() == (200, {"connection": "close"})
        assert await client.reader.read() == b"abc"


@pytest.mark.parametrize(
    ("request_", "status", "headers"),
    [
        (GET.replace(b"GET", b"HEAD"), 200, {"content-length": "3"}),
        (GET, 304, {"content-length": "3"}),
    ],
)
async def test_an_answer_that_has_no_body_ends_with_its_head(request_, status, headers):
    app = answering(b"abc", status=status, headers=[(b"Content-Length", b"3")])
    async with serving(app) as client:
        for _ in range(2):
            client.send(request_)
            assert await client.head() == (status, headers)


async def test_a_204_has_no_framing():
    async with serving(answering(b"", status=204)) as client:
        client.send(GET)
        assert await client.head() == (204, {})
        client.send(GET)
        assert await client.head() == (204, {})


@pytest.mark.parametrize("closes", ["caller", "application"])
async def test_connection_close_of_either_side_is_kept(closes):
    headers = [(b"content-length", b"2")]
    sent = GET
    if closes == "application":
        headers.append((b"Connection", b"close"))
    else:
        sent = GET.replace(b"Host", b"Connection: close\r\nHost")
    async with serving(answering(b"ok", headers=headers)) as client:
        client.send(sent + GET)
        assert await client.head() == (200, {"content-length": "2", "connection": "close"})
        assert await client.reader.read() == b"ok"


async def test_start_and_body_are_sent_with_one_write(monkeypatch):
    async with serving(answering(b"ok", headers=[(b"content-length", b"2")])) as client:
        await until(lambda: client.server.state.connections)
        written = []
        transport = client.connection.transport

        class Counted:
            def __getattr__(self, name):
                return getattr(transport, name)

            def write(self, data):
                written.append(data)
                transport.write(data)

        client.connection.transport = Counted()
        client.send(GET)
        await client.head()
        assert len(written) == 1


async def test_a_stream_waits_for_its_reader_and_sees_it_leave():
    sent = 0
    seen = []

    async def app(scope, receive, send):
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()
        leaving = asyncio.ensure_future(receive())
        while not leaving.done():
            await send({"type": "http.response.body", "body": b"x" * 10_000, "more_body": True})
            sent += 1
            await asyncio.sleep(0)
        seen.append(leaving.result())

    async with serving(app, send_buffer=4096) as client:
        client.send(GET)
        await client.head()
        connection = client.connection
        await until(lambda: connection.write_paused)
        assert connection.transport.get_write_buffer_size() < 200_000
        client.writer.transport.abort()
        await until(lambda: seen)
        assert seen == [{"type": "http.disconnect"}]


async def test_a_body_that_nobody_wants_is_dropped_and_the_next_request_answered():
    async with serving(answering(b"", headers=[(b"content-length", b"0")])) as client:
        size = 3_000_000
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        client.send(b"x" * size + GET)
        assert (await client.head())[0] == 200
        assert (await client.head())[0] == 200


async def test_a_slow_application_does_not_make_a_paused_body_late():
    """The caller sends in time; it is this server that does not read."""
    may_read = asyncio.Event()

    async def app(scope, receive, send):
        await may_read.wait()
        while (await receive())["more_body"]:
            pass
        await answering(b"", headers=[(b"content-length", b"0")])(scope, receive, send)

    async with serving(app, limits=Limits(request_seconds=0.3)) as client:
        client.send(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000
        )
        await until(lambda: client.server.state.connections and client.connection._read_paused)
        ticks = 0

        def count():
            nonlocal ticks
            ticks += 1

        client.server.state.timeouts._each_tick = count
        await until(lambda: ticks > 20)
        may_read.set()
        assert (await client.head())[0] == 200
