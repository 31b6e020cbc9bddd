"""Names to addresses, without ever blocking a thread: c-ares behind a small cache.

Names are looked up as the machine would: `/etc/hosts` first, `localhost` and what ends in it
are loopback (RFC 6761 6.3), then the nameservers of `/etc/resolv.conf`; but a name is always
taken as complete, search domains and HOSTALIASES are not. Whatever comes out is judged by the
address policy at connect, so nothing here is trusted. A customer owns the zone: what one answer
and all answers together may cost in time and memory is bounded here.
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
from winnerr_webhooks.egress.local_shortage import socket_shortage_code

Address = IPv4Address | IPv6Address

TRIES: Final = 4
FIRST_TRY_SECONDS: Final = 0.25
"""c-ares doubles the wait with each try: four of them begin within `LOOKUP_SECONDS`."""
LOOKUP_SECONDS: Final = 2.0
"""The whole lookup, as 4 tries of 0.5 s on average (DESIGN, Egress)."""
MIN_TTL, MAX_TTL = 5.0, 60.0
"""Seconds an answer is kept: its own TTL, within these bounds."""
FAILURE_TTL: Final = 1.0
"""Seconds a failure is kept, so that a lane full of deliveries asks once, not once each."""
MAX_ENTRIES: Final = 4096
MAX_ADDRESSES: Final = 16
"""Addresses kept of each family; a few are ever connected to."""
MAX_CHANNEL_LOOKUPS: Final = 1024
"""Lookups of one c-ares channel. Its own cache has no bound but its life, and what a zone answers
to ever new names would pile up there; a new channel costs 0.2 ms."""
MAX_CHANNEL_SECONDS: Final = 1.0
"""How long a channel takes lookups. Its cache keeps an answer for the zone's own time, and that a
name does not exist for the zone's negative one, up to an hour: it must not outlive ours."""

CHANNEL_DESCRIPTORS: Final = 7
"""Descriptors that a new channel and its first lookup open, /etc/resolv.conf among them."""
LOOKUP_DESCRIPTORS: Final = 2
"""Descriptors that a lookup opens: /etc/hosts, and a socket to the name server."""

# IGNTC: no second question over TCP, so an answer is at most what fits a datagram (c-ares asks for
# 1,232 bytes, some 70 addresses) and not 64 KiB with 4,000.
_FLAGS = pycares.ARES_FLAG_NOSEARCH | pycares.ARES_FLAG_NOALIASES | pycares.ARES_FLAG_IGNTC
_NO_SORT: Final = 1 << 7
"""ARES_AI_NOSORT: sorting opens a socket to each address, before the policy has seen any."""
_NO_MEMORY: Final = "no_memory"
_CODES: Final = {
    pycares.errno.ARES_ENOTFOUND: "nxdomain",
    pycares.errno.ARES_ENODATA: "no_addresses",
    pycares.errno.ARES_ETIMEOUT: "dns_timeout",
    pycares.errno.ARES_ENOMEM: _NO_MEMORY,
}
_TELLING: Final = ("dns_timeout", "dns_failed", "no_addresses", "nxdomain")
"""Of two different failures the first of these is reported."""
_MESSAGES: Final = {
    "nxdomain": "The host name does not exist.",
    "no_addresses": "The host name exists, but has no address.",
    "dns_timeout": "The name servers did not answer in time.",
    "dns_failed": "The name servers could not answer for this host name.",
}


class ResolveError(Exception):
    """No address came of a name; `code` says why, `str()` of it is a sentence.

    `nxdomain`, `no_addresses`, `dns_timeout` or `dns_failed`.
    """

    def __init__(self, code: str) -> None:
        super().__init__(_MESSAGES[code])
        self.code = code


class Resolver(Protocol):
    """What turns names into addresses."""

    async def resolve(self, host: str) -> Sequence[Address]:
        """At least one address, in the order to try; `ResolveError` otherwise.

        `LocalShortage` when this machine lacks what the lookup needs.
        """
        ...


class _Answer:
    """What a lookup came to, and until when (monotonic) it is good."""

    __slots__ = ("addresses", "code", "expires", "shortage")

    def __init__(
        self, addresses: Sequence[Address], code: str, expires: float, shortage: str = ""
    ) -> None:
        self.addresses = addresses
        self.code = code
        self.expires = expires
        self.shortage = shortage
        """What this machine lacked for the lookup: then it says nothing about the name."""


class _Channel:
    """A c-ares channel with its cache, and how much it is in use."""

    __slots__ = ("dns", "lookups", "made_at", "pending")

    def __init__(self, dns: aiodns.DNSResolver, made_at: float) -> None:
        self.dns = dns
        self.made_at = made_at
        self.lookups = 0
        self.pending = 0


class DnsResolver:
    """The machine's resolver. Nothing is opened before the first lookup.

    `nameservers` (`address:port`) replaces the machine's; `lookup_seconds` bounds one lookup.
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
        """The addresses of a name, AAAA before A, each in the name server's order.

        Callers that ask for one name at once share a lookup; one that gives up leaves it to the
        others.
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
                if lookup.cancelled():  # by `close`; nobody cancelled the caller
                    raise ResolveError("dns_failed") from None
                raise
        if answer.shortage:
            raise LocalShortage(answer.shortage)
        if answer.code:
            raise ResolveError(answer.code)
        return answer.addresses

    async def close(self) -> None:
        """End what is under way and give back the sockets."""
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
        """Ask for A and AAAA apart: name servers that drop one of them must not cost the other.

        c-ares does not say that it lacked descriptors. Without one for /etc/resolv.conf it asks
        127.0.0.1 from then on, without one for /etc/hosts it asks a name server instead, and
        without one for a socket the name server seems to be away. So there must be enough of
        them before a lookup, and still after one that found nothing.
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
        """Say why there is no address, unless it is this machine that could not look it up."""
        shortage = "ENOMEM" if _NO_MEMORY in outcomes else socket_shortage_code(LOOKUP_DESCRIPTORS)
        code = next((code for code in _TELLING if code in outcomes), "no_addresses")
        return _Answer((), code, self._clock.monotonic() + FAILURE_TTL, shortage)

    @property
    def _usable_channel(self) -> _Channel | None:
        channel = self._channel
        if channel is None or channel.lookups >= self._max_channel_lookups:
            return None
        age = self._clock.monotonic() - channel.made_at
        return channel if age < MAX_CHANNEL_SECONDS else None

    def _retire(self, channel: _Channel) -> None:
        """Close a channel that takes no more lookups, once none of its own is pending."""
        if channel.pending:
            return
        closing = asyncio.get_running_loop().create_task(channel.dns.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _take_channel(self) -> _Channel:
        """The channel for one more lookup; one that is replaced is closed by its last lookup."""
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
    """What a query found, or the code of why it found nothing."""
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
