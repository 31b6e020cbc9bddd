"""Names to addresses, without ever blocking a thread: c-ares behind a small cache.

Names are looked up as the machine would: `/etc/hosts` first, `localhost` and what ends in it
are loopback (RFC 6761 6.3), then the nameservers of `/etc/resolv.conf`; but a name is always
taken as complete, search domains and HOSTALIASES are not. Whatever comes out is judged by the
address policy at connect, so nothing here is trusted.
"""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Protocol

import aiodns
import pycares

from winnerr_webhooks.clock import Clock

Address = IPv4Address | IPv6Address

TRIES: Final = 4
FIRST_TRY_SECONDS: Final = 0.25
"""c-ares doubles the wait with each try: four of them begin within `LOOKUP_SECONDS`."""
LOOKUP_SECONDS: Final = 2.0
"""The whole lookup, as 4 tries of 0.5 s on average (DESIGN, Egress)."""
MIN_TTL, MAX_TTL = 5.0, 60.0
"""Seconds an answer is kept here: its own TTL, within these bounds. c-ares keeps it for its TTL,
an hour at most; asking it again costs a thread switch and no packet."""
FAILURE_TTL: Final = 1.0
"""Seconds a failure is kept, so that a lane full of deliveries asks once, not once each."""
MAX_ENTRIES: Final = 4096

_NO_SEARCH = pycares.ARES_FLAG_NOSEARCH | pycares.ARES_FLAG_NOALIASES
_CODES: Final = {
    pycares.errno.ARES_ENOTFOUND: "nxdomain",
    pycares.errno.ARES_ENODATA: "no_addresses",
    pycares.errno.ARES_ETIMEOUT: "dns_timeout",
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


class Resolve(Protocol):
    """What turns names into addresses."""

    async def resolve(self, host: str) -> Sequence[Address]:
        """At least one address, the best first; `ResolveError` otherwise."""
        ...


class _Answer:
    """What a lookup came to, and until when (monotonic) it is good."""

    __slots__ = ("addresses", "code", "expires")

    def __init__(self, addresses: Sequence[Address], code: str, expires: float) -> None:
        self.addresses = addresses
        self.code = code
        self.expires = expires


class Resolver:
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
    ) -> None:
        self._clock = clock
        self._nameservers = nameservers
        self._lookup_seconds = lookup_seconds
        self._max_entries = max_entries
        self._answers: dict[str, _Answer] = {}
        self._lookups: dict[str, asyncio.Task[_Answer]] = {}
        self._dns: aiodns.DNSResolver | None = None

    async def resolve(self, host: str) -> Sequence[Address]:
        """All addresses of a name, A and AAAA, in the order of RFC 6724.

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
        if answer.code:
            raise ResolveError(answer.code)
        return answer.addresses

    async def close(self) -> None:
        """End what is under way and give back the sockets."""
        lookups = list(self._lookups.values())
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)
        if self._dns is not None:
            await self._dns.close()
            self._dns = None

    async def _look_up(self, host: str) -> _Answer:
        try:
            answer = await self._ask(host)
            self._answers.pop(host, None)
            while len(self._answers) >= self._max_entries:
                del self._answers[next(iter(self._answers))]
            self._answers[host] = answer
            return answer
        finally:
            del self._lookups[host]

    async def _ask(self, host: str) -> _Answer:
        """Ask for A and AAAA apart: name servers that drop one of them must not cost the other."""
        try:
            channel = self._channel()
        except (pycares.AresError, OSError):  # too many open files, or no name server to ask
            return self._merge(["dns_failed"])
        queries = [
            channel.getaddrinfo(host, family, type=socket.SOCK_STREAM)
            for family in (socket.AF_INET6, socket.AF_INET)
        ]
        try:
            await asyncio.wait(queries, timeout=self._lookup_seconds)
            return self._merge([_outcome(query) for query in queries])
        finally:
            for query in queries:
                query.cancel()

    def _merge(self, outcomes: list[pycares.AddrInfoResult | str]) -> _Answer:
        nodes = [node for found in outcomes if not isinstance(found, str) for node in found.nodes]
        now = self._clock.monotonic()
        if not nodes:
            code = next((code for code in _TELLING if code in outcomes), "no_addresses")
            return _Answer((), code, now + FAILURE_TTL)
        ttl = min(max(min(node.ttl for node in nodes), MIN_TTL), MAX_TTL)
        return _Answer(tuple(dict.fromkeys(map(_address, nodes))), "", now + ttl)

    def _channel(self) -> aiodns.DNSResolver:
        if self._dns is None:
            self._dns = aiodns.DNSResolver(
                self._nameservers,
                asyncio.get_running_loop(),
                timeout=FIRST_TRY_SECONDS,
                tries=TRIES,
                flags=_NO_SEARCH,
            )
        return self._dns


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
