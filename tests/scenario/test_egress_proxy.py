"""EGRESS_PROXY and EGRESS_ADDRESSES, set on a server."""

import asyncio
from contextlib import suppress

import pytest
from tests.certificates import AlertingServer, Authority
from tests.server import PAUSE
from tests.token_server import TokenServer

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("adapter", ["sqlite"], scope="session"),
]


class Proxy:
    """A proxy that tunnels to wherever it is asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> "Proxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader, writer) -> None:
        self._tasks.add(asyncio.current_task())
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head)
        host, port = head.split()[1].decode().split(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            await asyncio.gather(_relay(reader, far_writer), _relay(far_reader, writer))
        except ConnectionError:
            pass  # one side was killed
        finally:
            for one in (writer, far_writer):
                one.transport.abort()
                with suppress(ConnectionError):
                    await one.wait_closed()


async def _relay(reader, writer) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
    writer.write_eof()


async def test_deliveries_wait_for_a_proxy_that_is_down_and_lose_no_retry(
    make_server, receiver
) -> None:
    proxy = await Proxy().start()
    await proxy.stop()
    server = await make_server(EGRESS_PROXY=f"http://user:hidden@127.0.0.1:{proxy.port}")
    await server.webhook(receiver.url)
    accepted = await server.emit()
    async with asyncio.timeout(server.patience):
        while not any("PROXY_UNREACHABLE" in line for line in server.log):
            await asyncio.sleep(PAUSE)
    event = await server.ok("GET", f"~/events/{accepted['id']}")
    (waiting,) = event["deliveries"]
    delivery = await server.ok("GET", f"~/deliveries/{waiting['id']}")
    assert (delivery["status"], delivery["attempts"]) == ("pending", [])
    await proxy.start(proxy.port)
    try:
        await receiver.wait_for(1)
        assert receiver.requests[0]["X-Winnerr-Attempt"] == "1"
    finally:
        await proxy.stop()
    assert not any("hidden" in line for line in server.log)


async def test_tokens_and_client_certificates_go_through_the_proxy(
    make_server, receiver, tmp_path, monkeypatch
) -> None:
    """Each of the three connections is a tunnel of the proxy's."""
    authority = Authority(tmp_path / "ca")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    guarded = AlertingServer(authority.server_context())
    tokens, proxy = TokenServer(), await Proxy().start()
    await tokens.start()
    tokens.guard(receiver)
    try:
        server = await make_server(EGRESS_PROXY=f"http://127.0.0.1:{proxy.port}")
        await server.webhook(receiver.url, auth=tokens.auth())
        url = f"https://127.0.0.1:{guarded.port}/hook"
        await server.webhook(url, auth=authority.issue("webhooks").auth)
        await server.emit()
        await server.until("~/deliveries?status=delivered", lambda found: len(found["items"]) == 2)
        asked = [head.split()[1].decode().rpartition(":")[2] for head in proxy.asked]
        assert sorted(map(int, asked)) == sorted([receiver.port, tokens.port, guarded.port])
    finally:
        await proxy.stop()
        await tokens.stop()
        guarded.close()


async def test_the_addresses_to_let_in_are_in_the_api(make_server) -> None:
    server = await make_server(EGRESS_ADDRESSES="203.0.113.0/28, 2001:db8::/48")
    answer = await server.ok("GET", "/api/v1/egress")
    assert answer == {"addresses": ["203.0.113.0/28", "2001:db8::/48"]}
