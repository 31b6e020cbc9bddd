"""A caller's connection: half-closing, pipelining, upgrades, and keys revoked meanwhile."""

import asyncio
import json

import pytest
from tests.unit.api.http.bare_client import (
    BAD,
    GOOD,
    PING,
    connect_to,
    known_client,
    request,
    the_connection,
    until,
)

from winnerr_webhooks.api.http.body_framing import FixedLengthBody
from winnerr_webhooks.api.http.client_connection import SMALL_READ


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
