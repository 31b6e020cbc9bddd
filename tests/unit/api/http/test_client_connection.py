"""A caller's connection: limits, pipelining, half-closing, upgrades, timeouts and flow control."""

import asyncio
import contextlib
import gc
import json
import socket

import pytest

from winnerr_webhooks.api.http.body_framing import FixedLengthBody
from winnerr_webhooks.api.http.client_connection import SMALL_READ
from winnerr_webhooks.api.http.request_head import Limits, RequestHead
from winnerr_webhooks.domain.errors import HeadTooLarge

GOOD = {"event": "contact.created", "organizationId": "org_1", "data": {"id": "c1"}}
BAD = GOOD | {"event": "contact.creatde"}
SOON = Limits(request_seconds=0.3)
PING = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def server(tmp_path, request):
    """The `running` of conftest.py, in this test's folder."""
    running = request.getfixturevalue("run")
    return lambda *arguments, **options: running(tmp_path, *arguments, **options)


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
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port, **options)
    try:
        yield Client(api, reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


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


# The head.


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 100_000,
        b"GET /" + b"a" * 100_000,
        b"GET /healthz HTTP/1.1\r\n" + b"a" * 100_000,
        b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n",
    ],
    ids=["value", "URL", "name", "whole", "lines"],
)
async def test_a_head_too_large_is_431_and_the_end(api, head):
    async with connect_to(api) as client:
        client.send(head)
        assert await client.last_answer() == 431


async def test_trailers_too_large_are_431(api):
    async with connect_to(api) as client:
        client.post(b"2\r\n{}\r\n0\r\nX: ", "Transfer-Encoding: chunked")
        client.send(b"a" * 100_000)
        assert await client.last_answer() == 431


async def test_of_an_endless_head_no_more_is_read_than_the_limit(api, monkeypatch):
    parsed = []
    feed = RequestHead.feed
    monkeypatch.setattr(RequestHead, "feed", lambda s, d: parsed.append(len(d)) or feed(s, d))
    async with connect_to(api) as client:
        client.send(b"GET / HTTP/1.1\r\nX: ")
        for _ in range(64):
            client.send(b"a" * 65_536)
        assert await client.last_answer() == 431
        assert sum(parsed) <= 64 * 1024 + SMALL_READ


async def test_of_too_many_header_lines_few_are_held(api):
    async with connect_to(api) as client:
        client.send(b"GET /healthz HTTP/1.1\r\n" + b"ab:c\r\n" * 2_000)  # and no blank line
        assert await client.last_answer() == 431
    head = RequestHead(Limits())
    with pytest.raises(HeadTooLarge):
        head.feed(b"GET / HTTP/1.1\r\n" + b"ab:c\r\n" * 2_000)
    assert len(head.headers) <= 101


@pytest.mark.parametrize("ending", [b"", b"a" * 70_000], ids=["left", "refused"])
async def test_a_head_that_breaks_off_is_freed_at_once(api, ending):
    """Not by the garbage collector only, which may take long to come to it."""
    gc.collect()
    gc.disable()
    try:
        async with connect_to(api) as client:
            client.send(b"GET / HTTP/1.1\r\nX: " + b"a" * 10_000 + ending)
            await until(lambda: api.connections and the_connection(api)._reading is not None)
            if ending:
                assert await client.last_answer() == 431
        await until(lambda: not api.connections)
        assert not [item for item in gc.get_objects() if isinstance(item, RequestHead)]
    finally:
        gc.enable()


@pytest.mark.parametrize("size", [100, 1024, 70_000])
async def test_a_head_up_to_the_limit_is_taken_however_it_is_cut(api, size):
    head = b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 97 + b"Y: "
    head += b"a" * (65_536 - len(head) - 4) + b"\r\n\r\n"
    async with connect_to(api) as client:
        for _ in range(2):
            for start in range(0, len(head), size):
                client.send(head[start : start + size])
                await client.writer.drain()
            assert await client.status() == 200


@pytest.mark.parametrize(
    ("lines", "status", "named"),
    [
        ("", 400, "no host header"),
        ("Host: a\r\nHost: a", 400, "more than one host"),
        ("Host: a\r\nX: y\r\nhost: b", 400, "more than one host"),
        ("Host: a, b", 400, "host header"),
        ("Host: a/b", 400, "host header"),
        ("Host: a\r\nTransfer-Encoding: gzip", 501, "gzip"),
        ("Host: a\r\nTransfer-Encoding: gzip, chunked", 501, "gzip, chunked"),
        ("Host: a\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked", 501, "gzip"),
        ("Host: a\r\nTransfer-Encoding: chunked, gzip", 501, "chunked"),
        ("Host: a\r\nTransfer-Encoding: identity", 501, "identity"),
        ("Host: a\r\nContent-Encoding: gzip\r\nContent-Length: 2", 415, "gzip"),
        ("Host: a\r\nContent-Encoding: br\r\nContent-Length: 2", 415, "br"),
        ("Host: a\r\nContent-Encoding: identity, zstd\r\nContent-Length: 2", 415, "zstd"),
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/events/batch", "/settings/webhooks"])
async def test_a_head_that_breaks_the_rules_is_refused_by_name(api, lines, status, named, path):
    async with known_client(api) as client:
        head = f"POST {path} HTTP/1.1\r\nAuthorization: Bearer {api.key}\r\n{lines}"
        client.send(head.rstrip().encode() + b"\r\n\r\n{}")
        answered, headers, body = await client.answer()
        assert answered == status
        assert named in body["detail"].lower()
        assert headers["connection"] == "close"
        assert headers.get("accept-encoding") == ("identity" if status == 415 else None)
        assert await client.reader.read() == b""


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: [::1]:8400\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a_b.example.com:80\r\nX: a\r\nX: b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Encoding: identity\r\n\r\n",
        b"GET /healthz HTTP/1.0\r\n\r\n",
    ],
)
async def test_a_head_within_the_rules_is_taken(api, head):
    async with connect_to(api) as client:
        client.send(head)
        assert await client.status() == 200


CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"Content-Length: 2\r\n" + CHUNKED, 400),
        (CHUNKED + b"Content-Length: 2\r\n", 400),
        (b"Content-Length: 2\r\nContent-Length: 2\r\n", 400),
        (b"Content-Length: 2\r\ncontent-length: 9\r\n", 400),
        (b"Content-Length: 2, 2\r\n", 400),
        (b"Content-Length: +2\r\n", 400),
        (b"Content-Length: -2\r\n", 400),
        (b"Content-Length: 0x2\r\n", 400),
        (b"Content-Length: 99999999999999999999999\r\n", 400),
        (b"Content-Length : 2\r\n", 400),
        (b"Content-Length:\r\n 2\r\n", 400),
        (b"Transfer-Encoding : chunked\r\n", 400),
        (b"Transfer-Encoding: \x0bchunked\r\n", 400),
        (b"Transfer-Encoding: xchunked\r\n", 501),
        (CHUNKED + CHUNKED, 501),
        (b"X: a\r\n b: c\r\n", 400),
        (b"X: a\rContent-Length: 2\r\n", 400),
        (b"X: a\nContent-Length: 2\r\n", 400),
        (b"X: a\x00b\r\n", 400),
        (b"X\r\n", 400),
        (b"\n", 400),
    ],
)
@pytest.mark.parametrize("size", [1, 10_000])
async def test_framing_that_can_be_read_in_two_ways_is_refused(api, lines, status, size):
    """Nothing after it is taken as a request (RFC 9112, section 11.2)."""
    sent = b"POST /api/v1/events HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n{}" + PING
    async with connect_to(api) as client:
        for start in range(0, len(sent), size):
            client.send(sent[start : start + size])
            await client.writer.drain()
        assert await client.last_answer() == status


@pytest.mark.parametrize("version", [b"HTTP/2.0", b"HTTP/1.2", b"HTTP/0.9", b""])
async def test_other_versions_of_http_are_refused(api, version):
    async with connect_to(api) as client:
        client.send(b"GET /healthz %b\r\nHost: x\r\n\r\n" % version)
        assert await client.last_answer() == 400


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/events/batch"])
async def test_a_caller_that_ends_its_side_after_a_request_gets_its_answer(api, path):
    async with known_client(api) as client:
        api.node.is_open.clear()
        client.post(GOOD if path == "/api/v1/events" else [GOOD], path=path)
        client.writer.write_eof()
        connection = the_connection(api)
        await until(lambda: connection.request and not connection.request.keep_alive)
        api.node.is_open.set()
        assert await client.last_answer() == 202


async def test_a_caller_that_ends_its_side_at_once_gets_every_answer(api):
    async with known_client(api) as client:
        for _ in range(3):
            client.post()
        client.send(PING)
        client.writer.write_eof()
        assert [await client.status() for _ in range(4)] == [202, 202, 202, 200]
        assert await client.reader.read() == b""


async def test_half_a_request_and_the_end_is_400_after_the_answers_before_it(api):
    async with known_client(api) as client:
        client.send(request(api, GOOD) + request(api, GOOD)[:-3])
        client.writer.write_eof()
        assert await client.status() == 202
        assert await client.last_answer() == 400


async def test_an_idle_caller_that_ends_its_side_is_hung_up_on(api):
    async with known_client(api) as client:
        client.writer.write_eof()
        assert await client.reader.read() == b""


async def test_a_refusal_comes_after_the_answers_before_it(api):
    async with known_client(api) as client:
        api.node.is_open.clear()
        client.send(request(api, GOOD) + request(api, GOOD) + b"G@T / HTTP/1.1\r\n\r\n" + PING)
        await until(lambda: the_connection(api)._received)
        api.node.is_open.set()
        assert [await client.status() for _ in range(2)] == [202, 202]
        assert await client.last_answer() == 400


async def test_a_body_that_is_not_http_is_answered_once(api):
    """With 400, be it in the first request or in one that waits behind another."""
    broken = request(api, b"zz\r\n", "Transfer-Encoding: chunked")
    async with connect_to(api) as client:
        client.send(broken)
        assert await client.last_answer() == 400
    async with known_client(api) as client:
        api.node.is_open.clear()
        client.send(request(api, GOOD) + broken)
        await until(lambda: the_connection(api)._received)
        api.node.is_open.set()
        assert await client.status() == 202
        assert await client.last_answer() == 400


async def test_trailers_are_not_headers(api):
    key = f"Authorization: Bearer {api.key}"
    async with connect_to(api) as client:
        raw = json.dumps(GOOD)
        client.send(
            "POST /api/v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            f"{len(raw):x}\r\n{raw}\r\n0\r\n{key}\r\n\r\n".encode()
        )
        assert await client.status() == 401


# Pipelining.


async def test_pipelined_requests_wait_unparsed_and_none_is_lost(api):
    async with known_client(api) as client:
        connection = the_connection(api)
        api.node.is_open.clear()
        client.post()
        await until(connection.is_answering)
        count = 10_000
        client.send(PING * count)
        await until(lambda: connection._received)
        assert connection._read_paused
        assert len(connection._received) <= SMALL_READ
        api.node.is_open.set()
        assert await client.status() == 202
        for _ in range(count):
            assert await client.status() == 200
            assert len(connection._received) <= 2 * SMALL_READ
        client.post()
        assert await client.status() == 202


@pytest.mark.parametrize("size", [10_000_000, 700, 37])
async def test_events_sent_without_waiting_are_answered_in_order(api, size):
    """Short ones, refused ones, long bodies and chunked ones, cut anywhere."""
    chunked = json.dumps(GOOD).encode()
    bodies = [
        request(api, GOOD),
        request(api, BAD),
        request(api, GOOD | {"data": {"text": "x" * 3000}}),
        request(api, GOOD | {"data": {"text": "\r\n\r\n" * 300}}),
        request(api, GOOD | {"data": {"text": "x" * 100_000}}),
        request(
            api, b"%x\r\n%b\r\n0\r\n\r\n" % (len(chunked), chunked), "Transfer-Encoding: chunked"
        ),
        request(api, GOOD | {"data": {"text": "x" * 300_000}}),
        request(api, b"[]", path="/api/v1/events/batch"),
    ]
    expected = [202, 422, 202, 202, 202, 202, 413, 422]
    async with known_client(api) as client:
        whole = b"".join(bodies)

        async def send():
            for start in range(0, len(whole), size):
                client.send(whole[start : start + size])
                await client.writer.drain()

        sending = asyncio.ensure_future(send())
        assert [await client.status() for _ in expected] == expected
        await sending


async def test_a_request_whose_connection_is_lost_sees_the_disconnect(api):
    """Also when another one waits behind it."""
    async with connect_to(api) as client:
        api.node.is_open.clear()  # else it might be answered before the connection is lost
        client.post(GOOD, "Expect: 100-continue")
        client.send(PING)
        await until(lambda: api.connections and the_connection(api)._received)
        connection = the_connection(api)
        serving = connection.request
        connection.transport.abort()
        await until(lambda: serving._is_over)
        assert connection._received == b""
        api.node.is_open.set()


# Upgrades.


@pytest.mark.parametrize("known", [True, False], ids=["short", "long"])
@pytest.mark.parametrize("pieces", [1, 2], ids=["whole", "cut"])
async def test_an_offer_of_http_2_is_ignored(api, known, pieces):
    """Java's HttpClient makes it by default on `http://`."""
    offer = (
        "Connection: Upgrade, HTTP2-Settings",
        "HTTP2-Settings: AAEAAEAAAAIAAAAB",
        "Upgrade: h2c",
    )
    smuggled = GOOD | {"data": {"text": "GET /healthz HTTP/1.1 "}}
    async with known_client(api) if known else connect_to(api) as client:
        for _ in range(2):
            sent = request(api, smuggled, *offer) + PING
            cut = sent.index(b"{") + 5 if pieces == 2 else len(sent)
            client.send(sent[:cut])
            await client.writer.drain()
            client.send(sent[cut:])
            status, headers, body = await client.answer()
            assert (status, body["deliveries"]) == (202, 0)
            assert "connection" not in headers
            assert (await client.answer())[2] == {"status": "ok"}


async def test_a_body_after_an_ignored_upgrade_is_only_a_body(api):
    """What looks like a request in the body is not answered."""
    async with connect_to(api) as client:
        client.post(PING * 3, "Connection: close, upgrade", "Upgrade: websocket")
        assert await client.last_answer() == 400


async def test_connect_is_refused_and_nothing_after_it_is_parsed(api):
    async with connect_to(api) as client:
        client.send(b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n" + PING)
        assert await client.last_answer() == 400


# Callers that do not read.


async def test_answers_to_a_caller_that_does_not_read_do_not_pile_up(server):
    async with server(send_buffer=4096) as api:
        ours = socket.socket()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        ours.setblocking(False)
        await asyncio.get_running_loop().sock_connect(ours, ("127.0.0.1", api.port))
        reader, writer = await asyncio.open_connection(sock=ours, limit=1024)
        client = Client(api, reader, writer)
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
        writer.close()
        await writer.wait_closed()


async def test_a_caller_that_never_reads_is_hung_up_on(server):
    async with server(SOON, send_buffer=4096) as api:
        ours = socket.socket()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        ours.setblocking(False)
        await asyncio.get_running_loop().sock_connect(ours, ("127.0.0.1", api.port))
        reader, writer = await asyncio.open_connection(sock=ours, limit=1024)
        client = Client(api, reader, writer)
        for _ in range(3000):
            client.post(BAD)
        await until(lambda: api.connections)
        await until(lambda: not api.connections)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


# Time.


async def test_a_connection_that_says_nothing_is_closed(server):
    async with server(SOON) as api, connect_to(api) as client:
        assert await client.reader.read() == b""


@pytest.mark.parametrize("long", [False, True], ids=["short", "long"])
@pytest.mark.parametrize("cut", [3, 50, -1], ids=["method", "head", "body"])
async def test_half_a_request_is_408_in_the_end(server, cut, long):
    whole = GOOD | {"data": {"text": "x" * 70_000}} if long else GOOD
    async with server(SOON) as api, known_client(api) as client:
        await api.webhook()
        client.send(request(api, whole)[:cut])
        assert await client.last_answer() == 408
        status, found = await api.call("GET", "~/deliveries")
        assert (status, found["items"]) == (200, [])


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


async def test_a_caller_that_goes_on_sending_after_a_refusal_is_hung_up_on(server):
    async with server(SOON) as api, connect_to(api) as client:
        client.send(b"G@T")
        assert (await client.answer())[0] == 400
        with contextlib.suppress(ConnectionError):
            while api.connections:
                client.send(b"x" * 1000)
                await client.writer.drain()


# Keys revoked while a body is held back.


CALLS = [
    ("/api/v1/events", GOOD, 202),
    ("/api/v1/events", GOOD | {"data": {"text": "x" * 70_000}}, 202),
    ("/api/v1/events/batch", [GOOD], 202),
    (
        "/api/v1/organizations/org_1/webhooks",
        {"url": "http://127.0.0.1:9/", "events": ["*"]},
        201,
    ),
]


@pytest.mark.parametrize(("path", "body", "good"), CALLS, ids=["short", "long", "batch", "webhook"])
@pytest.mark.parametrize("revoked", [True, False])
async def test_a_key_must_be_good_when_the_body_is_whole(api, path, body, good, revoked):
    async with known_client(api) as client:
        key = next(key for key in await api.keys.list() if key.name == "tests")
        sent = request(api, body, path=path)
        client.send(sent[:-1])
        connection = the_connection(api)
        await until(lambda: isinstance(connection._reading, FixedLengthBody))
        api.services.clock.seconds += 5.1
        if revoked:
            await api.keys.revoke(key.id)
        client.send(sent[-1:])
        assert await client.status() == (401 if revoked else good)
