"""Attempts through an HTTP proxy: a real one of the test's own, between client and receiver."""

import asyncio
import re
from base64 import b64encode
from contextlib import suppress

import pytest

from winnerr_webhooks.domain.errors import LocalShortage
from winnerr_webhooks.domain.proxy import Proxy
from winnerr_webhooks.egress.proxy_connector import CREDENTIALS, UNREACHABLE, ProxyConnector

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"


async def answer_all(peer) -> None:
    while True:
        await peer.request()
        await peer.send(OK)


class Tunnels:
    """The script of a proxy: it answers CONNECT with `answer`, and relays after a 200."""

    def __init__(self, answer: bytes = TUNNEL) -> None:
        self.answer = answer
        self.asked: list[bytes] = []

    async def __call__(self, peer) -> None:
        head = await peer.reader.readuntil(b"\r\n\r\n")
        self.asked.append(head)
        if not self.answer:
            return
        await peer.send(self.answer)
        if not self.answer.startswith(b"HTTP/1.1 200"):
            return
        host, port = re.match(rb"CONNECT ([\d.]+):(\d+) HTTP/1.1\r\n", head).groups()
        reader, writer = await asyncio.open_connection(host.decode(), int(port))
        back = asyncio.create_task(self._relay(reader, peer.writer))
        try:
            await self._relay(peer.reader, writer)
        finally:
            back.cancel()
            writer.transport.abort()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _relay(self, reader, writer) -> None:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()


@pytest.fixture
def through(serve, make_client):
    """Return a client that sends through this proxy."""

    async def make(script, credentials="", **options):
        proxy = await serve(script)
        connector = ProxyConnector(Proxy("localhost", proxy.port, credentials))
        return make_client(connector=connector, **options)

    return make


@pytest.fixture
def certificate(authority):
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.test").configure_cert(context)
    return context


async def test_a_request_over_tls_reaches_the_receiver_and_the_proxy_knows_only_its_address(
    serve, through, post, names, certificate
) -> None:
    receiver = await serve(answer_all, tls=certificate)
    names.set("hooks.test", ["127.0.0.1"])
    proxy = Tunnels()
    client = await through(proxy, "user:p:ss")
    first = await post(client, f"https://hooks.test:{receiver.port}/")
    again = await post(client, f"https://hooks.test:{receiver.port}/")
    assert (first.status, again.status) == (200, 200)
    (head,) = proxy.asked  # the tunnel is kept for the second request
    where = f"127.0.0.1:{receiver.port}"
    assert head.decode().split("\r\n")[:3] == [
        f"CONNECT {where} HTTP/1.1",
        f"Host: {where}",
        f"Proxy-Authorization: Basic {b64encode(b'user:p:ss').decode()}",
    ]
    assert b"hooks.test" not in head


async def test_a_forbidden_address_is_refused_before_the_proxy_is_asked(
    through, post, names
) -> None:
    names.set("meta.test", ["169.254.169.254"])
    proxy = Tunnels()
    exchange = await post(await through(proxy), "https://meta.test/")
    assert exchange.failure.kind == "blocked"
    assert proxy.asked == []


@pytest.mark.parametrize(
    ("answer", "code", "word"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "proxy_could_not", "503"),
        (b"HTTP/1.0 504 Gateway Timeout\r\nX: y\r\n\r\nbody", "proxy_could_not", "504"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "proxy_refused", "403"),
        (b"HTTP/1.1 302 Found\r\n\r\n", "proxy_refused", "302"),
        (b"", "proxy_closed", "no answer"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "proxy_closed", "no answer"),
        (b"HTTP/1.1 2\r\n\r\n", "proxy_closed", "no answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 4000, "proxy_closed", "no answer"),
        (TUNNEL + b"early", "proxy_closed", "no answer"),
    ],
)
async def test_a_proxy_that_does_not_connect_is_named_in_the_error(  # noqa: PLR0917  fixtures
    serve, through, post, names, answer, code, word
) -> None:
    receiver = await serve(answer_all)
    names.set("hooks.test", ["127.0.0.1"])

    async def script(peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        if answer:
            await peer.send(answer)

    exchange = await post(await through(script), f"http://hooks.test:{receiver.port}/")
    failure = exchange.failure
    assert (failure.kind, failure.phase, failure.code) == ("connect", "connect", code)
    assert "proxy" in failure.message
    assert word in failure.message
    assert receiver.peers == []


async def test_a_proxy_that_wants_other_credentials_is_a_lack_of_this_service(
    through, post, names
) -> None:
    names.set("hooks.test", ["127.0.0.1"])
    proxy = Tunnels(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
    client = await through(proxy, "user:wrong")
    with pytest.raises(LocalShortage) as lack:
        await post(client, "http://hooks.test:8080/")
    assert lack.value.code == CREDENTIALS
    assert "wrong" not in str(lack.value)


async def test_a_proxy_that_is_down_is_a_lack_of_this_service(make_client, post, names) -> None:
    names.set("hooks.test", ["127.0.0.1"])
    closed = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = closed.sockets[0].getsockname()[1]
    closed.close()
    await closed.wait_closed()
    for proxy in (Proxy("127.0.0.1", port), Proxy("nowhere.invalid", 3128)):
        client = make_client(connector=ProxyConnector(proxy))
        with pytest.raises(LocalShortage) as lack:
            await post(client, "http://hooks.test:8080/")
        assert lack.value.code == UNREACHABLE


async def test_a_proxy_that_never_answers_ends_with_the_attempts_deadline(
    through, post, names
) -> None:
    names.set("hooks.test", ["127.0.0.1"])

    async def hang(peer) -> None:
        await peer.gone()

    exchange = await post(await through(hang, timeout=0.5), "http://hooks.test:8080/")
    assert exchange.failure.kind == "timeout"


def test_a_proxys_password_is_not_shown() -> None:
    proxy = Proxy("::1", 3128, "user:hidden")
    assert str(proxy) == repr(proxy) == "http://user:•••@[::1]:3128"
    assert str(Proxy("proxy", 3128)) == "http://proxy:3128"
