"""Resolves host names without blocking a thread: c-ares behind a small cache.

Names are looked up as the machine does: first in `/etc/hosts`, then at the nameservers of
`/etc/resolv.conf`. `localhost` and names that end in it are loopback (RFC 6761 6.3). Unlike the
machine, it never appends search domains and ignores HOSTALIASES. The address policy checks the
results at connect. Customers control the zones, so the time and memory of lookups is bounded.
"""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Protocol

import aiodns
import pycares

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.errors import LocalShortage
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.egress.local_shortage import socket_shortage_code

Address = IPv4Address | IPv6Address

TRIES: Final = 4
"""How often c-ares asks a name server."""
FIRST_TRY_SECONDS: Final = 0.25
"""The wait of the first try; c-ares doubles it each time, so four begin in `LOOKUP_SECONDS`."""
LOOKUP_SECONDS: Final = 2.0
"""The time limit of a whole lookup: 4 tries of 0.5 s on average."""
MIN_TTL, MAX_TTL = 5.0, 60.0
"""The bounds in seconds of an answer's TTL, for which it is cached."""
FAILURE_TTL: Final = 1.0
"""How long a failure is cached, so that a lane full of deliveries asks only once."""
MAX_ENTRIES: Final = 4096
"""How many names are cached."""
MAX_ADDRESSES: Final = 16
"""How many addresses of each family are kept; only a few are ever tried."""
MAX_CHANNEL_LOOKUPS: Final = 1024
"""After this many lookups a c-ares channel is replaced, in 0.2 ms. Its own cache has no size
limit, so a zone with ever new names could fill it."""
MAX_CHANNEL_SECONDS: Final = 1.0
"""After this time a c-ares channel is replaced. Its own cache follows the zone's TTLs, up to an
hour for names that do not exist, and must not outlive the cache here."""

CHANNEL_DESCRIPTORS: Final = 7
"""How many descriptors a new channel and its first lookup open, /etc/resolv.conf among them."""
LOOKUP_DESCRIPTORS: Final = 2
"""How many descriptors a lookup opens: /etc/hosts, and a socket to the name server."""

# IGNTC: do not repeat a question over TCP. A UDP answer has at most 1,232 bytes (about 70
# addresses), while a TCP answer may have 64 KiB (4,000 addresses).
_FLAGS = pycares.ARES_FLAG_NOSEARCH | pycares.ARES_FLAG_NOALIASES | pycares.ARES_FLAG_IGNTC
_NO_SORT: Final = 1 << 7
"""ARES_AI_NOSORT: sorting would open a socket to each address before the policy has checked it."""
_NO_MEMORY: Final = "no_memory"
_CODES: Final = {
    pycares.errno.ARES_ENOTFOUND: "nxdomain",
    pycares.errno.ARES_ENODATA: "no_addresses",
    pycares.errno.ARES_ETIMEOUT: "dns_timeout",
    pycares.errno.ARES_ENOMEM: _NO_MEMORY,
}
_BY_PRIORITY: Final = ("dns_timeout", "dns_failed", "no_addresses", "nxdomain")
"""If the lookups of IPv6 and IPv4 fail differently, the first of these is reported."""
RESOLVE_MESSAGES: Final = {
    "nxdomain": Text("The host name does not exist."),
    "no_addresses": Text("The host name exists, but has no address."),
    "dns_timeout": Text("The name servers did not answer in time."),
    "dns_failed": Text("The name servers could not answer for this host name."),
}
"""The message of a `ResolveError`, by its code."""


class ResolveError(Exception):
    """A name could not be resolved. The message is a sentence for customers.

    `code` is `nxdomain`, `no_addresses`, `dns_timeout` or `dns_failed`.
    """

    def __init__(self, code: str) -> None:
        self.message = RESOLVE_MESSAGES[code]
        super().__init__(self.message)
        self.code = code


class Resolver(Protocol):
    """Resolves host names."""

    async def resolve(self, host: str) -> Sequence[Address]:
        """Return at least one address, in the order to try them.

        Raises `ResolveError` if there is none, and `LocalShortage` if this machine is out of
        something that the lookup needs.
        """
        ...


class _Answer:
    """The result of a lookup, and until when (monotonic clock) it may be used."""

    __slots__ = ("addresses", "code", "expires", "shortage")

    def __init__(
        self, addresses: Sequence[Address], code: str, expires: float, shortage: str = ""
    ) -> None:
        self.addresses = addresses
        self.code = code
        self.expires = expires
        self.shortage = shortage
        """The code of a local shortage; if there is one, the lookup says nothing about the name."""


class _Channel:
    """A c-ares channel, with the number of its lookups."""

    __slots__ = ("dns", "lookups", "made_at", "pending")

    def __init__(self, dns: aiodns.DNSResolver, made_at: float) -> None:
        self.dns = dns
        self.made_at = made_at
        self.lookups = 0
        self.pending = 0


class DnsResolver:
    """Resolves names through DNS and `/etc/hosts`. It opens nothing before the first lookup.

    `nameservers` (`address:port`) replace those of the machine. `lookup_seconds` limits one lookup.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        nameservers: Sequence[str] | None = None,
        lookup_seconds: float = LOOKUP_SECONDS,
        max_entries: int = MAX_ENTRIES,
        max_channel_lookups: int = MAX_CHANNEL_LOOKUPS,
    ) -> None:
        self._clock = clock
        self._nameservers = nameservers
        self._lookup_seconds = lookup_seconds
        self._max_entries = max_entries
        self._answers: dict[str, _Answer] = {}
        self._lookups: dict[str, asyncio.Task[_Answer]] = {}
        self._max_channel_lookups = max_channel_lookups
        self._channel: _Channel | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def resolve(self, host: str) -> Sequence[Address]:
        """Return the addresses of a name: IPv6 before IPv4, each in the name server's order.

        Concurrent calls for the same name share a lookup, which goes on if one call is cancelled.
        """
        answer = self._answers.get(host)
        if answer is None or answer.expires <= self._clock.monotonic():
            lookup = self._lookups.get(host)
            if lookup is None:
                lookup = asyncio.get_running_loop().create_task(self._look_up(host))
                self._lookups[host] = lookup
            try:
                answer = await asyncio.shield(lookup)
            except asyncio.CancelledError:
                if lookup.cancelled():  # `close` cancelled the lookup, nobody cancelled this call
                    raise ResolveError("dns_failed") from None
                raise
        if answer.shortage:
            raise LocalShortage(answer.shortage)
        if answer.code:
            raise ResolveError(answer.code)
        return answer.addresses

    async def close(self) -> None:
        """Cancel all lookups and close the sockets."""
        lookups = list(self._lookups.values())
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)
        if self._channel is not None:
            self._retire(self._channel)
            self._channel = None
        await asyncio.gather(*self._closing)

    async def _look_up(self, host: str) -> _Answer:
        try:
            answer = await self._ask(host)
            if answer.shortage:
                return answer
            self._answers.pop(host, None)
            while len(self._answers) >= self._max_entries:
                del self._answers[next(iter(self._answers))]
            self._answers[host] = answer
            return answer
        finally:
            del self._lookups[host]

    async def _ask(self, host: str) -> _Answer:
        """Ask for IPv6 and IPv4 separately, because some name servers drop one of them.

        c-ares does not report that it ran out of descriptors. Without one for /etc/resolv.conf it
        asks 127.0.0.1 from then on. Without one for /etc/hosts it asks a name server instead.
        Without one for a socket the name server seems to be down. So enough descriptors must be
        free before a lookup, and again after a lookup that found nothing.
        """
        needed = CHANNEL_DESCRIPTORS if self._usable_channel is None else LOOKUP_DESCRIPTORS
        if shortage := socket_shortage_code(needed):
            return _Answer((), "", 0.0, shortage)
        try:
            channel = self._take_channel()
        except (pycares.AresError, OSError):  # no name server to ask
            return self._nothing_found(["dns_failed"])
        queries = [
            channel.dns.getaddrinfo(host, family, type=socket.SOCK_STREAM, flags=_NO_SORT)
            for family in (socket.AF_INET6, socket.AF_INET)
        ]
        try:
            await asyncio.wait(queries, timeout=self._lookup_seconds)
            return self._merge([_outcome(query) for query in queries])
        finally:
            for query in queries:
                query.cancel()
            channel.pending -= 1
            if channel is not self._channel:
                self._retire(channel)

    def _merge(self, outcomes: list[pycares.AddrInfoResult | str]) -> _Answer:
        nodes = [
            node
            for found in outcomes
            if not isinstance(found, str)
            for node in found.nodes[:MAX_ADDRESSES]
        ]
        if not nodes:
            return self._nothing_found(outcomes)
        ttl = min(max(min(node.ttl for node in nodes), MIN_TTL), MAX_TTL)
        addresses = tuple(dict.fromkeys(map(_address, nodes)))
        return _Answer(addresses, "", self._clock.monotonic() + ttl)

    def _nothing_found(self, outcomes: Sequence[object]) -> _Answer:
        """Return why there is no address: a failure of the lookup, or a local shortage."""
        shortage = "ENOMEM" if _NO_MEMORY in outcomes else socket_shortage_code(LOOKUP_DESCRIPTORS)
        code = next((code for code in _BY_PRIORITY if code in outcomes), "no_addresses")
        return _Answer((), code, self._clock.monotonic() + FAILURE_TTL, shortage)

    @property
    def _usable_channel(self) -> _Channel | None:
        channel = self._channel
        if channel is None or channel.lookups >= self._max_channel_lookups:
            return None
        age = self._clock.monotonic() - channel.made_at
        return channel if age < MAX_CHANNEL_SECONDS else None

    def _retire(self, channel: _Channel) -> None:
        """Close a channel that gets no more lookups, unless some of its own are pending."""
        if channel.pending:
            return
        closing = asyncio.get_running_loop().create_task(channel.dns.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _take_channel(self) -> _Channel:
        """Return the channel for one more lookup. The last lookup of an old one closes it."""
        channel = self._usable_channel
        if channel is None:
            old, self._channel = self._channel, None
            if old is not None:
                self._retire(old)
            channel = self._channel = _Channel(
                aiodns.DNSResolver(
                    self._nameservers,
                    asyncio.get_running_loop(),
                    timeout=FIRST_TRY_SECONDS,
                    tries=TRIES,
                    flags=_FLAGS,
                ),
                self._clock.monotonic(),
            )
        channel.lookups += 1
        channel.pending += 1
        return channel


def _outcome(query: asyncio.Future[pycares.AddrInfoResult]) -> pycares.AddrInfoResult | str:
    """Return what a query found, or the code of its failure."""
    if not query.done():
        return "dns_timeout"
    error = query.exception()
    if error is None:
        return query.result()
    return _CODES.get(error.args[0], "dns_failed")


def _address(node: pycares.AddrInfoNode) -> Address:
    text = node.addr[0].decode("ascii")
    if node.family == socket.AF_INET:
        return IPv4Address(text)
    zone = node.addr[3]  # of sockaddr_in6
    return IPv6Address(f"{text}%{zone}" if zone else text)
