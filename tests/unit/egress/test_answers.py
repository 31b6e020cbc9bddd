"""How responses are read: framing, limits, and malformed ones."""

# ruff: noqa: E501  a table reads best with a case on a line

import gzip
import socket

import pytest

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
KIB = 1024


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK, b"ok"),
        (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\no\r\n1\r\nk\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", b"to the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", b"to the end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nraw", b"raw"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\xff\x00\xfe", b"\xff\x00\xfe"),
    ],
    ids=[
        "length",
        "no reason phrase",
        "chunked",
        "to the end",
        "HTTP/1.0",
        "other transfer coding",
        "204",
        "304",
        "upgrade offered",
        "binary",
    ],
)  # fmt: skip
async def test_every_framing_of_a_body_is_read(ask, answer, body):
    exchange = await ask(answer, close=True)
    assert exchange.failure is None
    assert exchange.response_body == body
    assert not exchange.truncated


async def test_1xx_responses_are_skipped(ask):
    exchange = await ask(
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 102 Processing\r\nX-Interim: 1\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\nLink: </style.css>\r\n\r\n"
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok"
    )
    assert (exchange.status, exchange.reason) == (202, "Accepted")
    assert exchange.response_head == b"Content-Length: 2\r\n"
    assert exchange.response_body == b"ok"


async def test_trailers_are_left_out(ask):
    exchange = await ask(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: late\r\n\r\n"
    )
    assert exchange.failure is None
    assert exchange.response_head == b"Transfer-Encoding: chunked\r\n"


async def test_control_characters_in_a_reason_phrase_are_not_passed_on(ask):
    exchange = await ask(b"HTTP/1.1 200 O\0K\xff\xc3\xa9\r\nContent-Length: 0\r\n\r\n")
    assert exchange.reason == "O\ufffdK\ufffdé"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(ask, status):
    exchange = await ask(
        b"HTTP/1.1 %d Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n" % status
    )
    assert exchange.status == status
    assert exchange.failure is None


@pytest.mark.parametrize(
    ("size", "truncated"), [(16 * KIB - 1, False), (16 * KIB, False), (16 * KIB + 1, True)]
)
async def test_16_kib_of_a_body_are_kept(ask, size, truncated):
    exchange = await ask(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
    assert exchange.status == 200
    assert exchange.response_body == b"x" * min(size, 16 * KIB)
    assert exchange.truncated is truncated
    assert exchange.failure is None


async def test_a_compressed_body_is_kept_as_it_came(ask):
    bomb = gzip.compress(bytes(10_000_000))
    assert len(bomb) < 16 * KIB
    exchange = await ask(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
        + bomb
    )
    assert exchange.response_body == bomb


@pytest.mark.parametrize("lines", [100, 101])
async def test_at_most_100_header_lines_are_accepted(ask, lines):
    head = b"".join(b"X-%d: y\r\n" % number for number in range(lines - 1))
    exchange = await ask(b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: 0\r\n\r\n")
    if lines == 100:
        assert exchange.status == 200
        assert exchange.response_head.count(b"\r\n") == 100
    else:
        assert exchange.status == 200
        assert exchange.response_head.count(b"\r\n") == 100
        assert exchange.failure.code == "too_many_headers"


@pytest.mark.parametrize("size", [32 * KIB, 32 * KIB + 1])
async def test_at_most_32_kib_of_headers_are_accepted(ask, size):
    start = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: "
    exchange = await ask(start + b"y" * (size - len(start) - 4) + b"\r\n\r\nok")
    if size == 32 * KIB:
        assert exchange.response_body == b"ok"
    else:
        assert exchange.failure.code == "headers_too_large"


MALFORMED = {
    b"nonsense": "bad_status_line",
    b"SSH-2.0-OpenSSH_9.6\r\n": "bad_status_line",
    b"\x15\x03\x01\x00\x02\x02": "bad_status_line",
    b"<html>hello</html>": "bad_status_line",
    b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\n": "bad_status_line",
    b"RTSP/1.0 200 OK\r\n\r\n": "bad_status_line",
    b"ICE/1.1 200 OK\r\n\r\n": "bad_status_line",
    b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n": "bad_status_line",
    b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n": "bad_status_line",
    b"HTTP/1.7 200 OK\r\n\r\n": "bad_status_line",
    b"HTTP/1 200 OK\r\n\r\n": "bad_status_line",
    b"HTTP/1.1  200 OK\r\n\r\n": "bad_status_line",
    b"HTTP/1.1 20 OK\r\n\r\n": "bad_status_line",
    b"HTTP/1.1 2000 OK\r\n\r\n": "bad_status_line",
    b"HTTP/1.1 OK\r\n\r\n": "bad_status_line",
    b"HTTP/1.1 -200 OK\r\n\r\n": "bad_status_line",
    b"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n": "bad_status_line",
    b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n": "bad_status_line",
    b"POST / HTTP/1.1\r\n\r\n": "bad_status_line",
    b"HTTP/1.1 104 X\r\nContent-Length: 5\r\n\r\nhello": "bad_status_line",
    b"HTTP/1.1 199 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": "bad_status_line",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n": "unexpected_upgrade",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\n\r\n": "unexpected_upgrade",
}  # fmt: skip


@pytest.mark.parametrize(("answer", "code"), MALFORMED.items(), ids=repr)
async def test_an_answer_that_is_not_http_is_a_protocol_error(ask, answer, code):
    exchange = await ask(answer)
    assert exchange.failure is not None
    assert (exchange.failure.kind, exchange.failure.code) == ("protocol", code)
    assert exchange.status is None
    assert exchange.response_head == b""


OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 2\r\n"
TOLERATED = {
    OK + b"X: a\r\n b\r\n" + LENGTH + b"\r\nok": b"X: a b\r\n" + LENGTH,
    OK + b"X: a\r\n\tb\r\n c\r\n" + LENGTH + b"\r\nok": b"X: a b c\r\n" + LENGTH,
    OK + LENGTH + LENGTH + b"\r\nok": LENGTH,
    OK + LENGTH + b"content-length:2\r\n\r\nok": LENGTH,
    OK + b"Content-Length: 2, 2\r\n\r\nok": LENGTH,
    b"HTTP/1.1 200 OK\nX: y\nContent-Length: 2\n\nok": b"X: y\r\n" + LENGTH,
    OK + b"X: y\nContent-Length: 2\r\n\r\nok": b"X: y\r\n" + LENGTH,
    OK + b"X : y\r\nContent-Length\t: 2\r\n\r\nok": b"X: y\r\n" + LENGTH,
    OK + b"X: a\0b\r\n" + LENGTH + b"\r\nok": b"X: a b\r\n" + LENGTH,
    b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK + LENGTH + LENGTH + b"\r\nok": LENGTH,
    OK + b"X : y\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n": (
        b"X: y\r\nTransfer-Encoding: chunked\r\n"
    ),
}


@pytest.mark.parametrize("piece", [0, 1, 7], ids=["at once", "byte by byte", "in pieces"])
@pytest.mark.parametrize(("answer", "head"), TOLERATED.items(), ids=repr)
async def test_a_fault_that_most_clients_tolerate_costs_the_connection_but_not_the_attempt(
    serve, client, post, *, answer, head, piece
):
    async def script(peer) -> None:
        await peer.request()
        for start in range(0, len(answer), piece or len(answer)):
            await peer.send(answer[start : start + (piece or len(answer))])
        await peer.gone()

    receiver = await serve(script)
    for _ in range(2):
        exchange = await post(client, f"http://127.0.0.1:{receiver.port}/")
        assert (exchange.status, exchange.failure) == (200, None)
        assert (exchange.response_head, exchange.response_body) == (head, b"ok")
        assert not exchange.truncated
    assert len(receiver.peers) == 2


BROKEN_FRAMING = {
    LENGTH + b"Content-Length: 3\r\n\r\nok": "content_length_conflict",
    LENGTH + b"Transfer-Encoding: chunked\r\n\r\nok": "content_length_conflict",
    b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nok": "content_length_conflict",
    b"Content-Length: -2\r\n\r\nok": "bad_content_length",
    b"Content-Length: two\r\n\r\nok": "bad_content_length",
    b"Content-Length: 2, 3\r\n\r\nok": "bad_content_length",
    b"Content-Length: 99999999999999999999999\r\n\r\nok": "bad_content_length",
    b"no colon\r\n\r\nok": "bad_header",
    b": no name\r\n\r\nok": "bad_header",
}


@pytest.mark.parametrize("status", [b"200 OK", b"503 Busy"])
@pytest.mark.parametrize(("rest", "code"), BROKEN_FRAMING.items(), ids=repr)
async def test_broken_framing_leaves_status_and_headers_as_the_answer(ask, status, rest, code):
    exchange = await ask(b"HTTP/1.1 " + status + b"\r\nServer: a\r\n" + rest)
    assert exchange.status == int(status[:3])
    assert exchange.reason == status[4:].decode()
    assert exchange.response_head.startswith(b"Server: a\r\n")
    assert exchange.response_body == b"ok"
    assert exchange.truncated
    assert (exchange.failure.kind, exchange.failure.code) == ("protocol", code)


async def test_a_status_line_counts_even_if_the_headers_never_end(serve, make_client, post):
    async def script(peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 204 No Content\r\nServer: a\r\nX: ")
        await peer.gone()

    receiver = await serve(script)
    exchange = await post(make_client(timeout=1.5), f"http://127.0.0.1:{receiver.port}/")
    assert (exchange.status, exchange.response_head) == (204, b"Server: a\r\n")
    assert exchange.truncated
    assert (exchange.failure.kind, exchange.failure.phase) == ("timeout", "body")


@pytest.mark.parametrize(
    "chunks", [b"zz\r\nok\r\n", b"-1\r\n", b"f" * 20 + b"\r\n", b"2\r\nokay\r\n", b"2\nok\n"]
)
async def test_a_malformed_chunk_leaves_the_status_as_the_answer(ask, chunks):
    exchange = await ask(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    assert exchange.status == 200
    assert exchange.truncated
    assert (exchange.failure.kind, exchange.failure.code) == ("protocol", "bad_chunk")
    assert exchange.failure.phase == "body"


@pytest.mark.parametrize(
    "answer", [b"", b"H", b"HTTP/1.1 200 OK", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
async def test_a_connection_closed_before_a_status_line_gives_no_status(ask, answer):
    exchange = await ask(answer, close=True)
    assert exchange.status is None
    assert (exchange.failure.kind, exchange.failure.code) == ("reset", "closed_early")
    assert exchange.failure.phase == "wait"
    assert not exchange.truncated


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbroken",
        b"HTTP/1.1 200 OK\nContent-Length: 9\n\nbroken",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nbroken\r\n",
    ],
)
async def test_a_body_that_breaks_off_leaves_the_status_as_the_answer(ask, answer):
    exchange = await ask(answer, close=True)
    assert exchange.status == 200
    assert exchange.response_body == b"broken"
    assert exchange.truncated
    assert (exchange.failure.kind, exchange.failure.phase) == ("reset", "body")


async def test_a_reset_is_distinguished_from_an_orderly_close(serve, client, post):
    async def script(peer) -> None:
        await peer.request()
        peer.reset()

    receiver = await serve(script)
    exchange = await post(client, f"http://127.0.0.1:{receiver.port}/")
    assert (exchange.failure.kind, exchange.failure.code) == ("reset", "reset")


async def test_an_answer_sent_before_the_request_counts(serve, client, post):
    async def script(peer) -> None:
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await peer.gone()

    receiver = await serve(script)
    exchange = await post(client, f"http://127.0.0.1:{receiver.port}/")
    assert (exchange.status, exchange.response_body) == (413, b"no")
    assert exchange.failure is None


async def test_a_response_counts_even_if_most_of_the_request_is_never_read(serve, client, post):
    async def script(peer) -> None:
        # With unread bytes in its buffer, closing sends a reset after the answer.
        sock = peer.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await peer.reader.readexactly(10)
        peer.writer.transport.pause_reading()
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")

    receiver = await serve(script)
    exchange = await post(client, f"http://127.0.0.1:{receiver.port}/", b"x" * 30_000_000)
    assert (exchange.status, exchange.response_body) == (413, b"no")
    assert exchange.failure is None
