"""The head of a request: its limits, and what is refused in it."""

import gc

import pytest
from tests.unit.api.http.bare_client import PING, connect_to, known_client, the_connection, until

from winnerr_webhooks.api.http.client_connection import SMALL_READ
from winnerr_webhooks.api.http.request_head import Limits, RequestHead
from winnerr_webhooks.domain.errors import HeadTooLarge


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


BROKEN_RULES = [
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
]


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/events/batch", "/settings/webhooks"])
async def test_a_head_that_breaks_the_rules_is_refused_by_name(api, path, subtests):
    for lines, status, named in BROKEN_RULES:
        with subtests.test(lines=lines):
            async with known_client(api) as client:
                head = f"POST {path} HTTP/1.1\r\nAuthorization: Bearer {api.key}\r\n{lines}"
                client.send(head.rstrip().encode() + b"\r\n\r\n{}")
                answered, headers, body = await client.answer()
                assert answered == status
                assert named in body["detail"].lower()
                assert headers["connection"] == "close"
                assert headers.get("accept-encoding") == ("identity" if status == 415 else None)
                assert await client.reader.read() == b""


WITHIN_RULES = [
    b"GET /healthz HTTP/1.1\r\nHost:\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: [::1]:8400\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a_b.example.com:80\r\nX: a\r\nX: b\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Encoding: identity\r\n\r\n",
    b"GET /healthz HTTP/1.0\r\n\r\n",
]


async def test_a_head_within_the_rules_is_taken(api, subtests):
    for head in WITHIN_RULES:
        with subtests.test(head=head):
            async with connect_to(api) as client:
                client.send(head)
                assert await client.status() == 200


CHUNKED = b"Transfer-Encoding: chunked\r\n"


AMBIGUOUS = [
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
]


@pytest.mark.parametrize("size", [1, 10_000])
async def test_framing_that_can_be_read_in_two_ways_is_refused(api, size, subtests):
    """Nothing after it is taken as a request (RFC 9112, section 11.2)."""
    for lines, status in AMBIGUOUS:
        sent = b"POST /api/v1/events HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n{}" + PING
        with subtests.test(lines=lines):
            async with connect_to(api) as client:
                for start in range(0, len(sent), size):
                    client.send(sent[start : start + size])
                    await client.writer.drain()
                assert await client.last_answer() == status


async def test_other_versions_of_http_are_refused(api, subtests):
    for version in (b"HTTP/2.0", b"HTTP/1.2", b"HTTP/0.9", b""):
        with subtests.test(version=version):
            async with connect_to(api) as client:
                client.send(b"GET /healthz %b\r\nHost: x\r\n\r\n" % version)
                assert await client.last_answer() == 400


async def test_connect_is_refused_and_nothing_after_it_is_parsed(api):
    async with connect_to(api) as client:
        client.send(b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n" + PING)
        assert await client.last_answer() == 400
