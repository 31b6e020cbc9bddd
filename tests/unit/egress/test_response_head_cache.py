"""A response with the same head as the last one is read from the cache, with the same result."""

import asyncio

import pytest

FIRST = b"HTTP/1.1 200 OK\r\nServer: a\r\nContent-Length: 2\r\n\r\nok"


def seen(exchange):
    return (
        exchange.status,
        exchange.reason,
        exchange.response_head,
        exchange.response_body,
        exchange.truncated,
        exchange.failure,
    )


@pytest.mark.parametrize(
    "pieces",
    [
        [FIRST],
        [FIRST[:-2] + b"no"],
        [FIRST[:-1], FIRST[-1:]],
        [FIRST[:20], FIRST[20:]],
        [FIRST + b"!"],
        [FIRST + FIRST],
        [FIRST[:-2] + b"\r\n"],
        [FIRST.replace(b"200 OK", b"500 No")],
        [FIRST.replace(b"Length: 2", b"Length: 1")],
        [FIRST.replace(b"Server: a", b"Server: b")],
        [FIRST.replace(b"1.1", b"1.0")],
        [FIRST.replace(b"Server: a", b"Connection: close")],
        [FIRST.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked")],
        [b"HTTP/1.1 204 No Content\r\n\r\n"],
        [b"HTTP/1.1 103 Early\r\n\r\n" + FIRST],
    ],
)  # fmt: skip
async def test_a_response_after_a_similar_one_is_read_as_on_a_new_connection(
    serve, client, post, pieces
):
    def playing(answers):
        async def script(peer) -> None:
            for answer in answers:
                await peer.request()
                for piece in answer:
                    await peer.send(piece)
            peer.writer.close()

        return script

    known = await serve(playing([[FIRST], pieces]))
    await post(client, f"http://127.0.0.1:{known.port}/")
    after_it = await post(client, f"http://127.0.0.1:{known.port}/")
    fresh = await serve(playing([pieces]))
    alone = await post(client, f"http://127.0.0.1:{fresh.port}/")
    assert len(known.peers) == 1
    assert seen(after_it) == seen(alone)


@pytest.mark.parametrize("surplus", [b"!", b"\r\n", FIRST])
async def test_extra_bytes_after_a_cached_response_close_the_connection(
    serve, client, post, surplus
):
    async def script(peer) -> None:
        await peer.request()
        await peer.send(FIRST)
        await peer.request()
        await peer.send(FIRST + surplus)
        await peer.gone()

    receiver = await serve(script)
    url = f"http://127.0.0.1:{receiver.port}/"
    for _ in range(2):
        assert (await post(client, url)).response_body == b"ok"
    async with asyncio.timeout(60):
        await receiver.ended.wait()
