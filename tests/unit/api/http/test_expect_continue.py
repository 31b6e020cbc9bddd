"""100 Continue is sent to clients that wait for it, when the body is asked for."""

import asyncio

import pytest
from tests.unit.api.http.asgi_server import answering, serving, until


async def test_100_continue_is_sent_when_the_body_is_asked_for():
    may_read = asyncio.Event()

    async def app(scope, receive, send):
        await may_read.wait()
        body = (await receive())["body"]
        await answering(body)(scope, receive, send)

    expecting = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n"
    async with serving(app) as client:
        client.send(expecting)
        await until(lambda: client.server.state.connections and client.connection.request)
        may_read.set()
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"ab")
        assert (await client.head())[0] == 200
        assert await client.reader.readexactly(12) == b"2\r\nab\r\n0\r\n\r\n"
        client.send(expecting + b"cd")  # its sender did not wait
        assert (await client.head())[0] == 200


async def test_who_is_answered_without_the_body_gets_no_100():
    async with serving(answering(b"", status=401)) as client:
        client.send(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        assert (await client.head())[0] == 401


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_no_100_within_an_answer_and_none_to_http_1_0(version):
    async def app(scope, receive, send):
        if version == b"1.1":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
        body = (await receive())["body"]
        if version == b"1.0":
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async with serving(app) as client:
        client.send(
            b"POST / HTTP/%b\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
            % version
        )
        await until(lambda: client.server.state.connections and client.connection.request)
        await until(lambda: client.connection.request.awaits_body)
        client.send(b"bc")
        assert (await client.head())[0] == 200
        if version == b"1.0":
            assert await client.reader.read() == b"bc"
        else:
            assert await client.reader.readexactly(18) == b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"
