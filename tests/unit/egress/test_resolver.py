"""Name resolution with a real name server on loopback."""

import asyncio
import socket
from ipaddress import ip_address

import pytest

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.egress import resolver as resolver_module
from winnerr_webhooks.egress.resolver import MAX_ADDRESSES, DnsResolver, ResolveError

AAAA = 28
NXDOMAIN, SERVFAIL = 3, 2


class HandClock(SystemClock):
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.moved = 0.0

    def monotonic(self) -> float:
        return self.moved


@pytest.fixture(autouse=True)
def no_second_try(monkeypatch):
    """Wait longer for the first answer, so that a busy machine does not cause a second question."""
    monkeypatch.setattr(resolver_module, "FIRST_TRY_SECONDS", 30.0)


@pytest.fixture
async def make_resolver(dns):
    made = []

    def make(**options):
        port = dns.transport.get_extra_info("sockname")[1]
        options = {"clock": SystemClock(), "nameservers": [f"127.0.0.1:{port}"]} | options
        made.append(DnsResolver(**options))
        return made[-1]

    yield make
    for resolver in made:
        await resolver.close()


async def test_both_families_are_looked_up(dns, make_resolver):
    dns.zone["hooks.test"] = ["192.0.2.1", "2001:db8::1", "192.0.2.2"]
    addresses = await make_resolver().resolve("hooks.test")
    assert set(addresses) == set(map(ip_address, dns.zone["hooks.test"]))


async def test_an_answer_is_kept_for_its_ttl_within_bounds(dns, make_resolver):
    clock = HandClock()
    resolver = make_resolver(clock=clock)
    for ttl, kept in ((30, 30), (0, 5), (86400, 60)):
        name = f"{ttl}.ttl.test"
        dns.zone[name] = ["192.0.2.1"]
        dns.ttl = ttl
        await resolver.resolve(name)
        assert resolver._answers[name].expires == clock.moved + kept


async def test_a_cached_answer_is_not_asked_for_again(dns, make_resolver):
    clock = HandClock()
    resolver = make_resolver(clock=clock)
    dns.zone["hooks.test"] = ["192.0.2.1"]
    dns.ttl = 0  # c-ares keeps other answers, too
    await resolver.resolve("hooks.test")
    clock.moved = 4.9
    await resolver.resolve("hooks.test")
    assert dns.asked["hooks.test"] == 1
    clock.moved = 5.1
    dns.zone["hooks.test"] = ["192.0.2.2"]
    assert await resolver.resolve("hooks.test") == (ip_address("192.0.2.2"),)


async def test_the_cache_is_bounded(dns, make_resolver):
    resolver = make_resolver(max_entries=2)
    dns.ttl = 0
    for number in range(3):
        dns.zone[f"{number}.test"] = ["192.0.2.1"]
        await resolver.resolve(f"{number}.test")
    await resolver.resolve("2.test")
    assert dns.asked["2.test"] == 1
    await resolver.resolve("0.test")
    assert dns.asked["0.test"] == 2


async def test_concurrent_lookups_of_one_name_are_one(dns, make_resolver):
    dns.zone["hooks.test"] = ["192.0.2.1"]
    dns.held = asyncio.Event()
    resolver = make_resolver()
    lookups = [asyncio.create_task(resolver.resolve("hooks.test")) for _ in range(10)]
    await dns.arrived.wait()
    dns.held.set()
    answers = await asyncio.gather(*lookups)
    assert answers == [(ip_address("192.0.2.1"),)] * 10
    assert dns.asked["hooks.test"] == 1


async def test_a_cancelled_caller_does_not_cancel_the_lookup_of_others(dns, make_resolver):
    dns.zone["hooks.test"] = ["192.0.2.1"]
    dns.held = asyncio.Event()
    resolver = make_resolver()
    first = asyncio.create_task(resolver.resolve("hooks.test"))
    second = asyncio.create_task(resolver.resolve("hooks.test"))
    await dns.arrived.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    dns.held.set()
    assert await second == (ip_address("192.0.2.1"),)


@pytest.mark.parametrize(
    ("found", "code"),
    [(NXDOMAIN, "nxdomain"), ([], "no_addresses"), (SERVFAIL, "dns_failed"), (5, "dns_failed")],
)
async def test_each_lookup_failure_has_its_own_code(dns, make_resolver, found, code):
    dns.zone["hooks.test"] = found
    with pytest.raises(ResolveError) as caught:
        await make_resolver().resolve("hooks.test")
    assert caught.value.code == code


async def test_a_failure_is_cached_for_a_moment_only(dns, make_resolver):
    clock = HandClock()
    resolver = make_resolver(clock=clock)
    for _ in range(3):
        with pytest.raises(ResolveError):
            await resolver.resolve("hooks.test")
    assert dns.asked["hooks.test"] == 1
    clock.moved += 1.1
    dns.zone["hooks.test"] = ["192.0.2.1"]
    assert await resolver.resolve("hooks.test") == (ip_address("192.0.2.1"),)


async def test_silent_name_servers_end_in_a_timeout(dns, make_resolver):
    dns.zone["hooks.test"] = None
    loop = asyncio.get_running_loop()
    before = loop.time()
    with pytest.raises(ResolveError) as caught:
        await make_resolver(lookup_seconds=0.4).resolve("hooks.test")
    assert caught.value.code == "dns_timeout"
    assert loop.time() - before >= 0.39


async def test_a_lost_dns_query_is_repeated(dns, make_resolver, monkeypatch):
    monkeypatch.setattr(resolver_module, "FIRST_TRY_SECONDS", 0.25)
    dns.zone["hooks.test"] = ["192.0.2.1"]
    dns.drop = 2
    assert await make_resolver().resolve("hooks.test") == (ip_address("192.0.2.1"),)
    assert dns.asked["hooks.test"] >= 2


async def test_a_name_server_that_drops_one_record_type_costs_only_that(dns, make_resolver):
    dns.zone["hooks.test"] = ["192.0.2.1", "2001:db8::1"]
    dns.mute = {AAAA}
    resolver = make_resolver(lookup_seconds=2.0)
    assert await resolver.resolve("hooks.test") == (ip_address("192.0.2.1"),)


async def test_localhost_never_leaves_the_machine(dns, make_resolver):
    resolver = make_resolver()
    for name in ("localhost", "crm.localhost"):
        addresses = await resolver.resolve(name)
        assert ip_address("127.0.0.1") in addresses
        assert all(address.is_loopback for address in addresses)
    assert not dns.asked


async def test_no_search_domain_is_appended_to_a_name(dns, make_resolver):
    with pytest.raises(ResolveError):
        await make_resolver().resolve("intranet")
    assert set(dns.asked) == {"intranet"}


async def test_only_a_few_of_many_addresses_are_kept(dns, make_resolver):
    dns.zone["hooks.test"] = [f"192.0.2.{i}" for i in range(60)]
    addresses = await make_resolver().resolve("hooks.test")
    assert addresses == tuple(map(ip_address, dns.zone["hooks.test"][:MAX_ADDRESSES]))


async def test_an_answer_too_large_for_a_datagram_is_not_fetched_over_tcp(dns, make_resolver):
    asked = asyncio.Event()
    server = await asyncio.start_server(lambda _, __: asked.set(), sock=dns.over_tcp)
    dns.zone["hooks.test"] = ["192.0.2.1"]
    dns.truncated = True
    try:
        assert await make_resolver().resolve("hooks.test") == (ip_address("192.0.2.1"),)
        assert not asked.is_set()
    finally:
        server.close()
        await server.wait_closed()


async def test_the_cache_of_c_ares_is_dropped_after_a_number_of_lookups(dns, make_resolver):
    clock = HandClock()
    resolver = make_resolver(clock=clock, max_channel_lookups=2)
    for turn, name in enumerate(("a.test", "b.test", "a.test")):
        dns.zone[name] = [f"192.0.2.{turn}"]
        clock.moved += 61  # past our own cache, within the 300 s of c-ares
        assert await resolver.resolve(name) == (ip_address(f"192.0.2.{turn}"),)
    assert dns.asked["a.test"] == 2


async def test_a_channel_is_closed_only_after_its_last_lookup(dns, make_resolver):
    resolver = make_resolver(max_channel_lookups=1)
    dns.held = asyncio.Event()
    lookups = []
    for i in range(3):
        dns.zone[f"{i}.test"] = [f"192.0.2.{i}"]
        lookups.append(asyncio.create_task(resolver.resolve(f"{i}.test")))
    await dns.arrived.wait()
    dns.held.set()
    assert await asyncio.gather(*lookups) == [(ip_address(f"192.0.2.{i}"),) for i in range(3)]
    assert resolver._channel.pending == 0


async def test_a_new_name_is_found_after_a_second(dns, make_resolver):
    """This holds even if the zone allows caching its absence for an hour."""
    clock = HandClock()
    resolver = make_resolver(clock=clock)
    dns.negative_ttl = 3_600
    with pytest.raises(ResolveError, match="does not exist"):
        await resolver.resolve("new.test")
    dns.zone["new.test"] = ["192.0.2.7"]
    clock.moved += 1.1
    assert await resolver.resolve("new.test") == (ip_address("192.0.2.7"),)


async def test_a_name_with_a_new_address_is_followed_within_a_minute(dns, make_resolver):
    """This holds even if the zone allows caching the old address for an hour."""
    clock = HandClock()
    resolver = make_resolver(clock=clock)
    dns.ttl = 3_600
    dns.zone["hooks.test"] = ["192.0.2.1"]
    assert await resolver.resolve("hooks.test") == (ip_address("192.0.2.1"),)
    dns.zone["hooks.test"] = ["192.0.2.2"]
    clock.moved += 60.1
    assert await resolver.resolve("hooks.test") == (ip_address("192.0.2.2"),)


async def test_closing_cancels_current_lookups(dns, make_resolver):
    dns.zone["hooks.test"] = None
    resolver = make_resolver()
    lookup = asyncio.create_task(resolver.resolve("hooks.test"))
    await dns.arrived.wait()
    await resolver.close()
    with pytest.raises(ResolveError) as caught:
        await lookup
    assert caught.value.code == "dns_failed"


async def test_a_resolver_that_cannot_be_set_up_is_a_dns_failure(make_resolver):
    with pytest.raises(ResolveError) as caught:
        await make_resolver(nameservers=["no address"]).resolve("hooks.test")
    assert caught.value.code == "dns_failed"


def test_creating_a_resolver_needs_no_event_loop_and_opens_nothing(monkeypatch):
    monkeypatch.setattr(socket, "socket", None)
    DnsResolver(clock=SystemClock())
