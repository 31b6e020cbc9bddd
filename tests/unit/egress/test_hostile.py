"""Hostile and broken receivers cost one attempt, and little else."""

import asyncio

import pytest

MIB = 1024 * 1024
GIB = 1024 * MIB
SMALL = 32 * MIB
"""How many bytes kernel buffers accept before a sender notices the end of the connection."""


@pytest.fixture
def flood(serve, client, post):
    """Return the exchange with an endless response, and how many bytes were sent."""

    async def exchange(start: bytes, piece: bytes, limit: int):
        async def script(peer) -> None:
            await peer.request()
            await peer.send(start)
            await peer.flood(piece, limit)

        receiver = await serve(script)
        exchange = await post(client, f"http://127.0.0.1:{receiver.port}/")
        async with asyncio.timeout(5):
            await receiver.ended.wait()
        return exchange, receiver.peers[0].sent

    return exchange


async def test_a_body_of_5_gb_is_cut_after_16_kib(flood):
    exchange, sent = await flood(
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (5 * GIB),
        b"x" * MIB,
        5 * GIB,
    )
    assert exchange.status == 200
    assert len(exchange.response_body) == 16 * 1024
    assert exchange.truncated
    assert exchange.failure is None
    assert sent < SMALL


async def test_an_endless_chunked_body_is_cut(flood):
    exchange, sent = await flood(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1\r\nx\r\n" * 10_000,
        GIB,
    )
    assert exchange.status == 200
    assert exchange.response_body == b"x" * (16 * 1024)
    assert exchange.truncated
    assert sent < SMALL


@pytest.mark.parametrize(
    ("start", "piece"),
    [(b"1;", b"x" * MIB), (b"0\r\nX: ", b"x" * MIB), (b"0\r\n", b"X: y\r\n" * 100_000)],
    ids=["chunk extension", "trailer", "trailers"],
)
async def test_chunk_extensions_and_trailers_are_limited_too(flood, start, piece):
    exchange, sent = await flood(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + start,
        piece,
        GIB,
    )
    assert exchange.status == 200
    assert exchange.truncated
    assert sent < SMALL


@pytest.mark.parametrize(
    ("start", "piece", "code"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"x" * MIB, "headers_too_large"),
        (b"HTTP/1.1 200 ", b"x" * MIB, "headers_too_large"),
        (b"HTTP/1.1 200 OK\r\n", b"x" * MIB, "headers_too_large"),
        (b"HTTP/1.1 200 OK\r\n", b"X-Header: " + b"y" * 990 + b"\r\n", "headers_too_large"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 200_000, "too_many_headers"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, "too_many_headers"),
        (b"", b"HTTP/1.1 103 Hints\r\nLink: x\r\nLink: y\r\n\r\n" * 1000, "too_many_headers"),
    ],
    ids=[
        "200 MB header value",
        "200 MB reason phrase",
        "200 MB header name",
        "200 MB of headers",
        "200,000 headers",
        "endless 1xx",
        "endless 1xx with headers",
    ],
)
async def test_endless_headers_end_at_the_limit(flood, start, piece, code):
    exchange, sent = await flood(start, piece, 200 * MIB)
    assert exchange.status == (200 if b" OK\r\n" in start else None)
    assert (exchange.failure.kind, exchange.failure.code) == ("protocol", code)
    assert len(exchange.response_head) <= 32 * 1024
    assert sent < SMALL


async def drip(peer, data: bytes, repeat: int = 1) -> None:
    """Send single bytes, 20 ms apart, until the client closes the connection."""
    for _ in range(repeat):
        for byte in data:
            await peer.send(bytes([byte]))
            try:
                await asyncio.wait_for(peer.gone(), 0.02)
            except TimeoutError:
                continue
            return


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    ],
    ids=["headers", "1xx", "header value"],
)
async def test_dripping_headers_do_not_extend_the_deadline(serve, make_client, post, start, piece):
    async def script(peer) -> None:
        await peer.request()
        await peer.send(start)
        await drip(peer, piece, 1000)

    receiver = await serve(script)
    exchange = await post(make_client(timeout=1.5), f"http://127.0.0.1:{receiver.port}/")
    assert exchange.failure.kind == "timeout"
    assert exchange.status == (200 if start else None)
    assert 1490 <= exchange.duration_ms < 20_000


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 9999", b"Connection: close", b"Transfer-Encoding: chunked"]
)
@pytest.mark.parametrize("warm", [False, True], ids=["fresh", "reused"])
async def test_a_slow_body_is_cut_after_the_grace_period_and_the_status_counts(
    serve, make_client, post, framing, warm
):
    piece = b"1\r\nx\r\n" if b"chunked" in framing else b"x"

    async def script(peer) -> None:
        if warm:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        await drip(peer, piece, 1000)

    receiver = await serve(script)
    client = make_client(timeout=30, body_grace=0.5)
    url = f"http://127.0.0.1:{receiver.port}/"
    if warm:
        await post(client, url)
    exchange = await post(client, url)
    assert exchange.status == 200
    assert exchange.truncated
    assert (exchange.failure.kind, exchange.failure.phase) == ("timeout", "body")
    assert 490 <= exchange.duration_ms < 20_000


async def test_the_deadline_counts_for_the_body_too(serve, make_client, post):
    async def script(peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal")
        await peer.gone()

    receiver = await serve(script)
    client = make_client(timeout=1.5, body_grace=30)
    exchange = await post(client, f"http://127.0.0.1:{receiver.port}/")
    assert exchange.status == 200
    assert exchange.response_body == b"hal"
    assert (exchange.failure.kind, exchange.failure.phase) == ("timeout", "body")


async def test_a_receiver_that_does_not_read_times_out_while_sending(serve, make_client, post):
    async def script(peer) -> None:
        peer.writer.transport.pause_reading()
        await ended.wait()

    ended = asyncio.Event()
    receiver = await serve(script)
    client = make_client(timeout=1.5)
    exchange = await post(client, f"http://127.0.0.1:{receiver.port}/", b"x" * 30_000_000)
    ended.set()
    assert (exchange.failure.kind, exchange.failure.phase) == ("timeout", "send")


async def test_many_hanging_receivers_all_end_at_their_own_deadline(serve, make_client, post):
    async def script(peer) -> None:
        await peer.gone()

    receiver = await serve(script)
    client = make_client(timeout=1.5)
    url = f"http://127.0.0.1:{receiver.port}/"
    exchanges = await asyncio.gather(*(post(client, url) for _ in range(50)))
    assert {exchange.failure.phase for exchange in exchanges} == {"wait"}
    assert all(1490 <= exchange.duration_ms < 20_000 for exchange in exchanges)
