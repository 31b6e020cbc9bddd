"""Runs one scenario in a process of its own, which may run out of file descriptors.

Usage: descriptors_used_up.py LOOP SCENARIO ARGUMENTS…; prints what came of it as JSON.
"""

import asyncio
import json
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

import uvloop

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.domain.errors import LocalShortage
from winnerr_webhooks.domain.url import parse_url
from winnerr_webhooks.egress.address_policy import AddressPolicy
from winnerr_webhooks.egress.client import EgressClient
from winnerr_webhooks.egress.resolver import DnsResolver, ResolveError
from winnerr_webhooks.quotas import Bound, Budget

LIMIT = 100


@contextmanager
def only(left: int) -> Iterator[None]:
    """Leave this process only this many file descriptors."""
    held = []
    while True:
        try:
            held.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            break
    for _ in range(left):
        os.close(held.pop())
    try:
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)


def opened() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Sending:
    """A client whose posts return a status, or the code of a failure or shortage."""

    def __init__(self, resolver: DnsResolver) -> None:
        clock = SystemClock()
        bound = Bound("kept_connections", 50, "connections", "test", "egress.pool", "")
        self.kept = Budget(bound, clock)
        self.client = EgressClient(
            policy=AddressPolicy(allow=(ip_network("127.0.0.0/8"),), allow_http=True),
            resolver=resolver,
            clock=clock,
            timeout=10.0,
            kept=self.kept,
        )

    async def post(self, url: str, organization: str = "org_1") -> int | str:
        destination = parse_url(url, allow_http=True)
        head = f"POST / HTTP/1.1\r\nHost: {destination.authority}\r\nContent-Length: 2\r\n\r\n"
        try:
            exchange = await self.client.post(destination, organization, head.encode(), b"{}")
        except LocalShortage as shortage:
            return shortage.code
        return exchange.status or exchange.failure.code


async def look_up(resolver: DnsResolver, name: str) -> str:
    try:
        return str((await resolver.resolve(name))[0])
    except LocalShortage as shortage:
        return shortage.code
    except ResolveError as error:
        return error.code


async def connecting(port: str) -> list[object]:
    """Post without a free descriptor, then with one; report how many descriptors leaked."""
    sending = Sending(DnsResolver(clock=SystemClock()))
    url = f"http://127.0.0.1:{port}/"
    before = opened()
    with only(0):
        without = [await sending.post(url) for _ in range(5)]
    leaked = opened() - before
    return [*without, await sending.post(url), leaked]


async def giving_up(port: str) -> list[object]:
    """Post to receivers without an idle connection, when no descriptor is free."""
    sending = Sending(DnsResolver(clock=SystemClock()))
    url = f"http://127.0.0.1:{port}/"
    kept = [await sending.post(url, f"org_{number}") for number in range(3)]
    with only(0):
        others = await asyncio.gather(*(sending.post(url, f"other_{n}") for n in range(3)))
    return [*kept, *others, sending.kept.in_use, sending.kept.refused]


async def giving_up_for_a_name(port: str, name_server: str) -> list[object]:
    """The same with a name that a new resolver must look up first."""
    sending = Sending(DnsResolver(clock=SystemClock(), nameservers=[name_server]))
    url = f"http://127.0.0.1:{port}/"
    kept = await asyncio.gather(*(sending.post(url, f"org_{n}") for n in range(10)))
    with only(0):
        by_name = await sending.post(f"http://hooks.test:{port}/")
    return [*kept, by_name]


async def looking_up(name_server: str) -> list[object]:
    """Look up a name without a descriptor for the socket, then with one."""
    resolver = DnsResolver(clock=SystemClock(), nameservers=[name_server])
    before = await look_up(resolver, "other.test")
    with only(0):
        without = await look_up(resolver, "hooks.test")
    return [before, without, await look_up(resolver, "hooks.test")]


async def looking_up_a_local_name(name_server: str) -> list[object]:
    """Look up a name of the hosts file while only that file cannot be opened.

    c-ares then asks the name server, over the socket of a lookup that waits.
    """
    resolver = DnsResolver(clock=SystemClock(), nameservers=[name_server])
    waiting = asyncio.create_task(look_up(resolver, "held.test"))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)  # it has arrived
    with only(0):
        without = await look_up(resolver, "crm.internal")
    waiting.cancel()
    return [without, await look_up(resolver, "crm.internal")]


async def setting_up() -> list[object]:
    """Look up a first name with more and more descriptors; report which resolvers differ."""
    usual = DnsResolver(clock=SystemClock())
    await look_up(usual, "localhost")
    came_out = []
    for left in range(10):
        resolver = DnsResolver(clock=SystemClock())
        with only(left):
            found = await look_up(resolver, "localhost")
        if found == "EMFILE":
            found = await look_up(resolver, "localhost")
        one, other = usual._channel.dns, resolver._channel.dns
        same = one.nameservers == other.nameservers and one._event_thread == other._event_thread
        came_out.append([found in {"127.0.0.1", "::1"}, same])
        await resolver.close()
    return came_out


def main(loop: str, scenario: str, *arguments: str) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
    factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        print(json.dumps(runner.run(globals()[scenario](*arguments))))


if __name__ == "__main__":
    main(*sys.argv[1:])
