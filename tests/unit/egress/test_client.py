"""Sending requests, reading responses, and reusing connections."""

import asyncio

import pytest

from winnerr_webhooks.domain.url import parse_url

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def answer_all(peer) -> None:
    while True:
        await peer.request()
        await peer.send(OK)


async def test_the_request_arrives_as_it_was_built_and_the_answer_as_it_was_sent(
    serve, client, post
):
    arrived = asyncio.get_running_loop().create_future()

    async def script(peer) -> None:
        arrived.set_result(await peer.request())
        await peer.send(
            b"HTTP/1.1 201 Made It\r\nX-One: a\r\nx-TWO:b  \r\nX-One: c\r\n"
            b"Content-Length: 5\r\n\r\nhello"
        )
        await peer.gone()

    receiver = await serve(script)
    exchange = await post(client, f"http://127.0.0.1:{receiver.port}/in?a=1", b'{"x": 1}')

    assert (
        await arrived
        == (
            f"POST /in?a=1 HTTP/1.1\r\nHost: 127.0.0.1:{receiver.port}\r\n"
            'Content-Length: 8\r\n\r\n{"x": 1}'
        ).encode()
    )
    assert (exchange.status, exchange.reason) == (201, "Made It")
    assert exchange.response_head == b"X-One: a\r\nx-TWO: b\r\nX-One: c\r\nContent-Length: 5\r\n"
    assert exchange.response_body == b"hello"
    assert exchange.failure is None
    assert not exchange.truncated


async def test_a_long_reason_phrase_is_truncated(serve, client, post):
    async def script(peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 500 " + b'"' * 9_000 + b"\r\nContent-Length: 0\r\n\r\n")
        await peer.gone()

    receiver = await serve(script)
    exchange = await post(client, f"http://127.0.0.1:{receiver.port}/")
    assert (exchange.status, exchange.reason) == (500, '"' * 200)


async def test_each_phase_that_happened_has_a_time(serve, client, post, names):
    names.set("hooks.test", ["127.0.0.1"])
    receiver = await serve(answer_all)
    url = f"http://hooks.test:{receiver.port}/"

    first = await post(client, url)
    second = await post(client, url)

    assert first.timings.dns_ms is not None
    assert first.timings.connect_ms > 0
    assert first.timings.tls_ms is None
    assert first.timings.first_byte_ms > 0
    assert first.duration_ms >= first.timings.connect_ms + first.timings.first_byte_ms
    assert second.timings.dns_ms is None
    assert second.timings.connect_ms is None
    assert second.timings.first_byte_ms > 0
    assert not second.timings.reconnected


async def test_a_connection_is_kept_for_the_next_request(serve, client, post):
    receiver = await serve(answer_all)
    for _ in range(20):
        exchange = await post(client, f"http://127.0.0.1:{receiver.port}/")
        assert exchange.status == 200
    assert len(receiver.peers) == 1


async def test_no_organization_gets_the_connection_of_another(serve, client, post):
    receiver = await serve(answer_all)
    url = f"http://127.0.0.1:{receiver.port}/"
    await post(client, url, organization="org_1")
    await post(client, url, organization="org_2")
    assert len(receiver.peers) == 2


async def test_concurrent_requests_each_have_a_connection_of_their_own(serve, client, post):
    everyone = asyncio.Barrier(5)

    async def script(peer) -> None:
        await peer.request()
        await everyone.wait()
        await peer.send(OK)
        await peer.gone()

    receiver = await serve(script)
    url = f"http://127.0.0.1:{receiver.port}/"
    exchanges = await asyncio.gather(*(post(client, url) for _ in range(5)))
    assert [exchange.status for exchange in exchanges] == [200] * 5
    assert len(receiver.peers) == 5


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"\r\n",
        OK + b"!",
        OK + OK,
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 ",
        b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok",
    ],
    ids=[
        "connection close",
        "http 1.0",
        "surplus blank line",
        "surplus byte",
        "two answers",
        "surplus line feed",
        "body of a 204",
        "surplus after a 204",
        "surplus blank line after chunks",
        "surplus after chunks",
        "keep-alive too short",
    ],
)
async def test_a_connection_that_ended_or_sent_too_much_is_closed(serve, client, post, answer):
    hung_up = asyncio.Event()

    async def script(peer) -> None:
        await peer.request()
        await peer.send(answer)
        await peer.gone()
        hung_up.set()

    receiver = await serve(script)
    exchange = await post(client, f"http://127.0.0.1:{receiver.port}/")
    assert exchange.status in {200, 204}
    assert exchange.failure is None
    async with asyncio.timeout(60):
        await hung_up.wait()


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5, max=100\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_an_answer_that_ends_cleanly_leaves_the_connection_in_use(
    serve, client, post, answer
):
    async def script(peer) -> None:
        while True:
            await peer.request()
            await peer.send(answer)

    receiver = await serve(script)
    for _ in range(4):  # parsed, and from then on known by its head where that may be
        exchange = await post(client, f"http://127.0.0.1:{receiver.port}/")
        assert exchange.failure is None
    assert len(receiver.peers) == 1


async def test_a_connection_whose_answer_came_in_pieces_is_still_reused(serve, client, post):
    async def script(peer) -> None:
        while True:
            await peer.request()
            for byte in OK:
                await peer.send(bytes([byte]))

    receiver = await serve(script)
    for _ in range(2):
        exchange = await post(client, f"http://127.0.0.1:{receiver.port}/")
        assert exchange.response_body == b"ok"
    assert len(receiver.peers) == 1


async def test_bytes_that_come_while_idle_close_the_connection(serve, client, post):
    idle = asyncio.Event()
    hung_up = asyncio.Event()

    async def script(peer) -> None:
        await peer.request()
        await peer.send(OK)
        await idle.wait()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
        await peer.gone()
        hung_up.set()

    receiver = await serve(script)
    url = f"http://127.0.0.1:{receiver.port}/"
    await post(client, url)
    idle.set()
    async with asyncio.timeout(60):
        await hung_up.wait()
    receiver.script = answer_all
    exchange = await post(client, url)
    assert exchange.response_body == b"ok"
    assert len(receiver.peers) == 2


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_a_reused_connection_that_ends_before_an_answer_is_replaced_once(
    serve, client, post, reset
):
    async def dies_at_the_second(peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        receiver.script = answer_all
        if reset:
            peer.reset()

    receiver = await serve(dies_at_the_second)
    url = f"http://127.0.0.1:{receiver.port}/"
    await post(client, url)
    exchange = await post(client, url)
    assert exchange.status == 200
    assert exchange.failure is None
    assert exchange.timings.reconnected
    assert exchange.timings.connect_ms > 0
    assert len(receiver.peers) == 2


async def test_the_replacement_is_not_replaced_again(serve, client, post):
    async def dies(peer) -> None:
        await peer.request()

    async def dies_at_the_second(peer) -> None:
        await peer.request()
        await peer.send(OK)
        receiver.script = dies
        await peer.request()

    receiver = await serve(dies_at_the_second)
    url = f"http://127.0.0.1:{receiver.port}/"
    await post(client, url)
    exchange = await post(client, url)
    assert exchange.failure.kind == "reset"
    assert exchange.failure.code == "closed_early"
    assert exchange.timings.reconnected
    assert len(receiver.peers) == 2


async def test_a_reused_connection_that_dies_within_the_answer_is_not_replaced(serve, client, post):
    async def script(peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await peer.send(b"HTTP")

    receiver = await serve(script)
    url = f"http://127.0.0.1:{receiver.port}/"
    await post(client, url)
    exchange = await post(client, url)
    assert exchange.failure.kind == "reset"
    assert not exchange.timings.reconnected
    assert len(receiver.peers) == 1


async def test_a_reused_connection_that_hangs_is_not_replaced(serve, make_client, post):
    async def script(peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.gone()

    client = make_client(timeout=1.5)
    receiver = await serve(script)
    url = f"http://127.0.0.1:{receiver.port}/"
    assert (await post(client, url)).status == 200
    exchange = await post(client, url)
    assert (exchange.failure.kind, exchange.failure.phase) == ("timeout", "wait")
    assert 1490 <= exchange.duration_ms < 20_000
    assert len(receiver.peers) == 1


async def test_an_attempt_can_have_a_shorter_limit_of_its_own(serve, make_client):
    """On a new connection and on a reused one; a limit above the client's counts as that."""

    async def script(peer) -> None:
        await peer.request()
        if peer is receiver.peers[0]:
            await peer.send(OK)
        await peer.gone()

    client = make_client(timeout=3.0)
    receiver = await serve(script)
    destination = parse_url(f"http://127.0.0.1:{receiver.port}/", allow_http=True)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
    assert (await client.post(destination, "org_1", head, b"{}", 1.0)).status == 200
    for limit in (1.0, 1.0, 30.0):
        exchange = await client.post(destination, "org_1", head, b"{}", limit)
        seconds = min(limit, 3.0)
        assert exchange.failure.message == f"The receiver did not answer in time ({seconds:g} s)."
        assert seconds * 1000 - 10 <= exchange.duration_ms
    assert len(receiver.peers) == 3


async def test_a_full_pool_closes_its_least_recently_used_connection(
    serve, make_client, post, kept
):
    client = make_client(kept=kept(2))
    receiver = await serve(answer_all)
    url = f"http://127.0.0.1:{receiver.port}/"
    for organization in ("org_1", "org_2", "org_3"):
        await post(client, url, organization=organization)
    assert len(receiver.peers) == 3
    await post(client, url, organization="org_3")
    await post(client, url, organization="org_2")
    assert len(receiver.peers) == 3
    await post(client, url, organization="org_1")
    assert len(receiver.peers) == 4


@pytest.mark.parametrize("warm", [False, True], ids=["fresh", "reused"])
async def test_cancelling_closes_the_connection_and_propagates(serve, client, post, warm):
    waiting = asyncio.Event()
    hung_up = asyncio.Event()

    async def script(peer) -> None:
        if warm:
            await peer.request()
            await peer.send(OK)
        await peer.request()
        waiting.set()
        await peer.gone()
        hung_up.set()

    receiver = await serve(script)
    url = f"http://127.0.0.1:{receiver.port}/"
    if warm:
        await post(client, url)
    attempt = asyncio.create_task(post(client, url))
    await waiting.wait()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    async with asyncio.timeout(60):
        await hung_up.wait()


async def test_closing_the_client_closes_idle_and_busy_connections(serve, make_client, post):
    client = make_client()
    busy = asyncio.Event()

    async def script(peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.gone()

    async def hang(peer) -> None:
        await peer.request()
        busy.set()
        await peer.gone()

    idle = await serve(script)
    hanging = await serve(hang)
    await post(client, f"http://127.0.0.1:{idle.port}/")
    attempt = asyncio.create_task(post(client, f"http://127.0.0.1:{hanging.port}/"))
    await busy.wait()
    await client.close()
    assert (await attempt).failure.kind == "reset"
    async with asyncio.timeout(60):
        await idle.ended.wait()
        await hanging.ended.wait()
