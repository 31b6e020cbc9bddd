"""A local shortage does not count as an attempt, and is never blamed on the receiver."""

import asyncio
import errno
import json
import resource
import socket
import ssl
import subprocess
import sys
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from winnerr_webhooks.domain.errors import LocalShortage
from winnerr_webhooks.egress.dialer import connect
from winnerr_webhooks.egress.local_shortage import shortage_code, socket_shortage_code

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SCRIPT = Path(__file__).with_name("descriptors_used_up.py")
RECEIVERS = 1_500


async def answer_all(peer) -> None:
    while True:
        await peer.request()
        await peer.send(OK)


def descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def hang(peer) -> None:
    await peer.request()
    await peer.gone()


@pytest.fixture
def loop_name(_asyncio_loop_factory) -> str:
    return "uvloop" if _asyncio_loop_factory.__module__.startswith("uvloop") else "asyncio"


@pytest.fixture
def run(loop_name):
    """Run a scenario of `descriptors_used_up.py`, with the command `before` as its prefix."""

    async def run(scenario: str, *arguments: object, begin=None, before: Sequence[object] = ()):
        process = await asyncio.create_subprocess_exec(
            *map(str, (*before, sys.executable, SCRIPT, loop_name, scenario, *arguments)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        if begin is not None:
            await begin.wait()
        output, _ = await process.communicate(b"begin\n")
        return json.loads(output.splitlines()[-1])  # log lines come before it

    return run


def address_of(dns) -> str:
    return f"127.0.0.1:{dns.transport.get_extra_info('sockname')[1]}"


class Lacking:
    """Connects to loopback, but fails for some addresses with an error of the operating system."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.lacks: dict[str, OSError] = {}
        self.hangs: set[str] = set()

    async def __call__(self, address, port: int) -> socket.socket:
        if str(address) in self.hangs:
            await asyncio.Event().wait()
        if str(address) in self.lacks:
            raise self.lacks[str(address)]
        return await connect(IPv4Address("127.0.0.1"), self.port)


async def test_an_attempt_without_a_free_descriptor_does_not_count_and_leaks_no_descriptor(
    serve, run
):
    receiver = await serve(answer_all)
    assert await run("connecting", receiver.port) == ["EMFILE"] * 5 + [200, 0]


async def test_idle_connections_are_closed_to_free_descriptors_for_an_attempt(serve, run):
    receiver = await serve(answer_all)
    # The last three were sent over descriptors of the first three, and are kept in their place.
    assert await run("giving_up", receiver.port) == [200] * 6 + [3, 3]


async def test_idle_connections_are_closed_to_free_descriptors_for_a_lookup(serve, run, dns):
    receiver = await serve(answer_all)
    dns.zone["hooks.test"] = ["127.0.0.1"]
    assert await run("giving_up_for_a_name", receiver.port, address_of(dns)) == [200] * 11


async def test_a_lookup_without_a_descriptor_says_nothing_about_the_name(run, dns):
    dns.zone["hooks.test"] = dns.zone["other.test"] = ["192.0.2.1"]
    assert await run("looking_up", address_of(dns)) == ["192.0.2.1", "EMFILE", "192.0.2.1"]


@pytest.mark.skipif(
    subprocess.run(["unshare", "-rm", "true"], check=False).returncode != 0,
    reason="the hosts file of this machine cannot be replaced for one process",
)
async def test_a_hosts_file_that_cannot_be_opened_does_not_make_its_names_unknown(
    run, dns, tmp_path
):
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.7 crm.internal\n")
    mount = f'mount --bind {hosts} /etc/hosts && exec "$@"'
    dns.zone["held.test"] = None
    outcome = await run(
        "looking_up_a_local_name",
        address_of(dns),
        begin=dns.arrived,
        before=("unshare", "-rm", "sh", "-c", mount, "sh"),
    )
    assert outcome == ["EMFILE", "192.0.2.7"]


async def test_a_resolver_created_during_a_shortage_asks_the_same_name_servers(run):
    """Without a descriptor for /etc/resolv.conf it would ask 127.0.0.1 from then on."""
    assert await run("setting_up") == [[True, True]] * 10


async def test_a_lack_of_local_ports_is_a_shortage(serve, make_client, post):
    """Linux refuses a second connection from the same port to the same destination."""
    receiver = await serve(answer_all)
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    holder.connect(("127.0.0.1", receiver.port))

    async def from_its_port(address, port: int) -> socket.socket:
        sock = socket.socket()
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(holder.getsockname())
            sock.connect((str(address), port))
        except OSError:
            sock.close()
            raise
        return sock

    with holder, pytest.raises(LocalShortage) as caught:
        await post(make_client(connector=from_its_port), f"http://127.0.0.1:{receiver.port}/")
    assert caught.value.code == "EADDRNOTAVAIL"


@pytest.mark.skipif(
    subprocess.run(["unshare", "-rn", "true"], check=False).returncode != 0,
    reason="no network without addresses can be made on this machine",
)
def test_a_missing_source_address_is_not_a_shortage():
    """It also fails with EADDRNOTAVAIL."""
    script = (
        "import errno, socket\n"
        "from ipaddress import ip_address\n"
        "from winnerr_webhooks.egress.local_shortage import connect_shortage_code\n"
        "try: socket.create_connection(('::1', 9))\n"
        "except OSError as error:\n"
        "  code = connect_shortage_code(error, ip_address('::1'), 9)\n"
        "  print(errno.errorcode[error.errno], repr(code))"
    )
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, "-c", script],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "EADDRNOTAVAIL ''"


@pytest.mark.parametrize("second", ["refuses", "hangs"])
async def test_a_shortage_for_one_address_counts_when_no_other_address_connects(
    serve, make_client, post, names, second
):
    receiver = await serve(answer_all)
    connector = Lacking(receiver.port)
    connector.lacks["127.0.0.2"] = OSError(errno.ENOBUFS, "No buffer space available")
    if second == "refuses":
        connector.lacks["127.0.0.3"] = ConnectionRefusedError()
    else:
        connector.hangs.add("127.0.0.3")
    names.set("hooks.test", ["127.0.0.2", "127.0.0.3"])
    client = make_client(connector=connector, timeout=0.3)
    with pytest.raises(LocalShortage) as caught:
        await post(client, f"http://hooks.test:{receiver.port}/")
    assert caught.value.code == "ENOBUFS"


async def test_a_shortage_for_one_address_does_not_matter_when_another_connects(
    serve, make_client, post, names
):
    receiver = await serve(answer_all)
    connector = Lacking(receiver.port)
    connector.lacks["127.0.0.2"] = OSError(errno.EMFILE, "Too many open files")
    names.set("hooks.test", ["127.0.0.2", "127.0.0.3"])
    exchange = await post(make_client(connector=connector), f"http://hooks.test:{receiver.port}/")
    assert exchange.status == 200


async def test_a_dead_connection_that_cannot_be_replaced_does_not_count_as_an_attempt(
    serve, make_client, post
):
    async def answer_once(peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()

    receiver = await serve(answer_once)
    connector = Lacking(receiver.port)
    client = make_client(connector=connector)
    url = f"http://127.0.0.1:{receiver.port}/"
    assert (await post(client, url)).status == 200
    connector.lacks["127.0.0.1"] = OSError(errno.ENFILE, "Too many open files in system")
    with pytest.raises(LocalShortage):
        await post(client, url)
    connector.lacks.clear()
    assert (await post(client, url)).status == 200


async def test_a_tls_handshake_without_memory_does_not_count_as_an_attempt_and_leaks_no_socket(
    serve, make_client, post, authority
):
    class WithoutMemory(ssl.SSLContext):
        def wrap_bio(self, *args, **kwargs):
            raise MemoryError

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    receiver = await serve(hang, tls=context)
    client = make_client(new_context=lambda: WithoutMemory(ssl.PROTOCOL_TLS_CLIENT))
    before = descriptors()
    for _ in range(5):
        with pytest.raises(LocalShortage) as caught:
            await post(client, f"https://127.0.0.1:{receiver.port}/")
        assert caught.value.code == "ENOMEM"
    await receiver.stop()
    assert descriptors() <= before


@pytest.mark.parametrize(
    ("error", "lack"),
    [
        (OSError(errno.EMFILE, ""), "EMFILE"),
        (OSError(errno.ENFILE, ""), "ENFILE"),
        (OSError(errno.ENOBUFS, ""), "ENOBUFS"),
        (OSError(errno.ENOMEM, ""), "ENOMEM"),
        (MemoryError(), "ENOMEM"),
        (OSError(errno.ECONNREFUSED, ""), ""),
        (OSError(errno.EHOSTUNREACH, ""), ""),
        (ValueError(), ""),
    ],
)
def test_errors_that_are_a_shortage(error, lack):
    assert shortage_code(error) == lack


def test_openssl_without_memory_is_a_shortage_but_its_other_errors_are_not():
    error = ssl.SSLError(errno.EMFILE, "OpenSSL numbers its errors for itself")
    error.reason = "CERTIFICATE_VERIFY_FAILED"
    assert shortage_code(error) == ""
    error.reason = "MALLOC_FAILURE"
    assert shortage_code(error) == "ENOMEM"


def test_checking_for_descriptors_keeps_none_open():
    before = descriptors()
    assert socket_shortage_code(20) == ""
    assert descriptors() == before


@pytest.mark.thorough
async def test_connections_to_more_than_a_thousand_receivers_are_kept(
    serve, make_client, post, names, kept
):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3 * RECEIVERS:
        pytest.skip("this process may not open enough connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    answer = OK.replace(
        b"\r\n", b"\r\nKeep-Alive: timeout=60\r\n", 1
    )  # kept on a slow machine, too

    async def keep(peer) -> None:
        while True:
            await peer.request()
            await peer.send(answer)

    receiver = await serve(keep)
    budget = kept(8_192)
    client = make_client(kept=budget)
    hosts = [f"{number}.test" for number in range(RECEIVERS)]
    try:
        for host in hosts:
            names.set(host, ["127.0.0.1"])
        for _ in range(2):
            for host in hosts:
                assert (await post(client, f"http://{host}:{receiver.port}/")).status == 200
        assert (budget.in_use, budget.refused) == (RECEIVERS, 0)
        assert len(receiver.peers) == RECEIVERS
    finally:
        await client.close()
        await receiver.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
