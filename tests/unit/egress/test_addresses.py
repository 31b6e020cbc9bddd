"""Every address is checked at every connect, directly before it is used."""

import asyncio
import socket
from ipaddress import IPv4Address, ip_address, ip_network

import pytest

from winnerr_webhooks.egress import dialer
from winnerr_webhooks.egress.address_policy import AddressPolicy
from winnerr_webhooks.egress.dialer import connect

OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
PUBLIC = AddressPolicy(deny=(ip_network("168.63.129.16/32"),), allow_http=True)


class Wires:
    """Connects only to loopback, and records the addresses it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.hang: set[str] = set()
        self.errors: dict[str, OSError] = {}
        self.given_up: asyncio.Queue[str] = asyncio.Queue()
        self.loopback_port: int | None = None

    async def __call__(self, address, port: int) -> socket.socket:
        text = str(address)
        self.asked.append(text)
        if text in self.hang:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.given_up.put_nowait(text)
                raise
        if text in self.errors:
            raise self.errors[text]
        if self.loopback_port is None:
            raise ConnectionRefusedError
        return await connect(IPv4Address("127.0.0.1"), self.loopback_port)


@pytest.fixture
def wires() -> Wires:
    return Wires()


@pytest.fixture
def public(make_client, wires):
    """A client with the production policy; `wires` replaces its connects."""
    return make_client(policy=PUBLIC, connector=wires, timeout=2)


@pytest.fixture
async def receiver(serve, wires):
    async def script(peer) -> None:
        await peer.request()
        await peer.send(OK)

    receiver = await serve(script)
    wires.loopback_port = receiver.port
    return receiver


LITERALS = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "0:0:0:0:0:0:0:1",
    "::7f00:1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::FFFF:7F00:0001",
    "::ffff:169.254.169.254",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("text", LITERALS)
async def test_a_private_address_is_not_connected_to(public, post, names, wires, text):
    names.set("hooks.test", [text])
    host = f"[{text}]" if ":" in text else text
    for url in (f"https://{host}/", "https://hooks.test/"):
        exchange = await post(public, url)
        assert (exchange.failure.kind, exchange.failure.code) == ("blocked", "blocked_address")
        assert exchange.failure.phase == "connect"
        assert str(ip_address(text)) not in exchange.failure.message
    assert wires.asked == []


async def test_a_resolved_address_with_a_zone_is_refused(public, post, names, wires):
    names.set("hooks.test", ["fe80::1%1"], ["2606:4700::1%2"])
    for _ in range(2):
        exchange = await post(public, "https://hooks.test/")
        assert exchange.failure.code == "blocked_address"
    assert wires.asked == []


async def test_a_blocked_port_is_not_connected_to(public, post, names, wires):
    names.set("hooks.test", ["8.8.8.8"])
    exchange = await post(public, "https://hooks.test:22/")
    assert (exchange.failure.kind, exchange.failure.code) == ("blocked", "blocked_port")
    assert wires.asked == []


async def test_plain_http_is_not_connected_to_unless_allowed(make_client, post, names, wires):
    names.set("hooks.test", ["8.8.8.8"])
    client = make_client(policy=AddressPolicy(), connector=wires)
    exchange = await post(client, "http://hooks.test/")
    assert (exchange.failure.kind, exchange.failure.code) == ("blocked", "blocked_scheme")
    assert wires.asked == []


async def test_a_name_that_turns_private_is_refused_at_the_next_connect(
    public, post, names, wires, receiver
):
    names.set("rebinding.test", ["8.8.8.8"], ["127.0.0.1"])
    first = await post(public, "http://rebinding.test/")
    second = await post(public, "http://rebinding.test/")
    assert first.status == 200
    assert second.failure.kind == "blocked"
    assert wires.asked == ["8.8.8.8"]


async def test_forbidden_addresses_are_skipped_and_the_others_used(
    public, post, names, wires, receiver
):
    names.set("mixed.test", ["10.0.0.1", "::1", "8.8.8.8", "fd00::1", "127.0.0.1"])
    exchange = await post(public, "http://mixed.test/")
    assert exchange.status == 200
    assert wires.asked == ["8.8.8.8"]


async def test_the_failure_of_an_allowed_address_is_reported_before_a_refusal(
    public, post, names, wires
):
    names.set("mixed.test", ["10.0.0.1", "8.8.8.8", "127.0.0.1"])
    exchange = await post(public, "https://mixed.test/")
    assert (exchange.failure.kind, exchange.failure.code) == ("connect", "refused")
    assert wires.asked == ["8.8.8.8"]


async def test_ipv6_and_ipv4_alternate_and_the_next_try_follows_a_failure_at_once(  # noqa: PLR0917
    public, post, names, wires, receiver, monkeypatch
):
    monkeypatch.setattr(dialer, "STAGGER", 60.0)
    names.set("dual.test", ["2606:4700::1", "2606:4700::2", "8.8.8.8", "8.8.4.4"])
    wires.errors = {
        "2606:4700::1": OSError(101, "Network is unreachable"),
        "8.8.8.8": ConnectionRefusedError(),
    }
    exchange = await post(public, "http://dual.test/")
    assert exchange.status == 200
    assert wires.asked == ["2606:4700::1", "8.8.8.8", "2606:4700::2"]


async def test_the_next_address_is_tried_after_250_ms(public, post, names, wires, receiver):
    names.set("dual.test", ["2606:4700::1", "8.8.8.8"])
    wires.hang = {"2606:4700::1"}
    exchange = await post(public, "http://dual.test/")
    assert exchange.status == 200
    assert wires.asked == ["2606:4700::1", "8.8.8.8"]
    assert await wires.given_up.get() == "2606:4700::1"
    assert exchange.timings.connect_ms >= 240


async def test_only_six_of_many_addresses_are_tried(public, post, names, wires):
    names.set("many.test", [f"8.8.{n}.8" for n in range(100)])
    exchange = await post(public, "https://many.test/")
    assert exchange.failure.code == "refused"
    assert len(wires.asked) == 6


async def test_a_connect_that_hangs_meets_the_deadline(make_client, post, names, wires):
    names.set("hooks.test", ["8.8.8.8"])
    wires.hang = {"8.8.8.8"}
    client = make_client(policy=PUBLIC, connector=wires, timeout=0.2)
    exchange = await post(client, "https://hooks.test/")
    assert (exchange.failure.kind, exchange.failure.phase) == ("timeout", "connect")
    assert exchange.timings.connect_ms is None
    assert await wires.given_up.get() == "8.8.8.8"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "refused"),
        (OSError(113, "No route to host"), "unreachable"),
        (OSError(101, "Network is unreachable"), "unreachable"),
        (TimeoutError(110, "Connection timed out"), "unreachable"),
        (OSError(71, "Protocol error"), "connect_failed"),
    ],
)
async def test_each_connect_error_has_its_own_code(  # noqa: PLR0917  fixtures
    public, post, names, wires, error, code
):
    names.set("hooks.test", ["8.8.8.8"])
    wires.errors = {"8.8.8.8": error}
    exchange = await post(public, "https://hooks.test/")
    assert (exchange.failure.kind, exchange.failure.code) == ("connect", code)
    assert exchange.timings.dns_ms is not None
    assert exchange.timings.connect_ms is None


async def test_a_refused_connection_on_a_real_socket(client, post):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        exchange = await post(client, f"http://127.0.0.1:{probe.getsockname()[1]}/")
    assert (exchange.failure.kind, exchange.failure.code) == ("connect", "refused")


async def test_a_name_without_addresses_is_a_dns_failure(public, post, wires):
    exchange = await post(public, "https://nowhere.test/")
    assert (exchange.failure.kind, exchange.failure.code) == ("dns", "nxdomain")
    assert exchange.failure.phase == "dns"
    assert exchange.timings.dns_ms is not None


async def test_a_lookup_that_hangs_meets_the_deadline(make_client, post):
    class Silent:
        async def resolve(self, host):
            await asyncio.Event().wait()

    client = make_client(resolver=Silent(), timeout=0.2)
    exchange = await post(client, "https://hooks.test/")
    assert (exchange.failure.kind, exchange.failure.phase) == ("timeout", "dns")
    assert 190 <= exchange.duration_ms < 20_000
