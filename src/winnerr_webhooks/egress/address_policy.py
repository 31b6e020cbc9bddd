"""Decides which addresses and ports may be reached: public ones, and those the operator allows.

It does no I/O, and is asked before every connect about the address that is then used. All networks
are cut into disjoint ranges once, so that a decision is one bisection.

`ipaddress.is_global` is not enough: it accepts multicast, and the 6to4 and NAT64 forms of private
addresses. Its results also change between Python versions.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, NamedTuple, TypeVar

from winnerr_webhooks.domain.text import Text

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

SPECIAL_IPV4: Final = {
    "0.0.0.0/8": "this network, RFC 791 3.2",
    "10.0.0.0/8": "private use, RFC 1918",
    "100.64.0.0/10": "carrier-grade NAT, RFC 6598",
    "127.0.0.0/8": "loopback, RFC 1122 3.2.1.3",
    "169.254.0.0/16": "link-local and cloud metadata, RFC 3927",
    "172.16.0.0/12": "private use, RFC 1918",
    "192.0.0.0/24": "IETF protocol assignments, RFC 6890 2.1",
    "192.0.2.0/24": "documentation, RFC 5737",
    "192.31.196.0/24": "AS112, RFC 7535",
    "192.52.193.0/24": "multicast tunnels (AMT), RFC 7450",
    "192.88.99.0/24": "6to4 relays, RFC 7526",
    "192.168.0.0/16": "private use, RFC 1918",
    "192.175.48.0/24": "AS112, RFC 7534",
    "198.18.0.0/15": "benchmarking, RFC 2544",
    "198.51.100.0/24": "documentation, RFC 5737",
    "203.0.113.0/24": "documentation, RFC 5737",
    "224.0.0.0/4": "multicast, RFC 5771",
    "240.0.0.0/4": "reserved, RFC 1112 4, and limited broadcast, RFC 919 7",
}
"""All ranges of IANA's IPv4 special-purpose registry (RFC 6890), and multicast."""

GLOBAL_IPV6: Final = "2000::/3"
"""The only global unicast space (RFC 4291 2.4); everything outside is refused."""

SPECIAL_IPV6: Final = {
    "2001::/23": "IETF protocol assignments, RFC 2928: Teredo, benchmarking, ORCHID, AMT, DRIP",
    "2001:db8::/32": "documentation, RFC 3849",
    "2002::/16": "6to4, which embeds any IPv4 address, RFC 3056",
    "2620:4f:8000::/48": "AS112, RFC 7534",
    "3ffe::/16": "6bone, returned to IANA, RFC 3701",
    "3fff::/20": "documentation, RFC 9637",
}
"""All ranges of IANA's IPv6 special-purpose registry (RFC 6890) inside `GLOBAL_IPV6`."""

IPV4_MAPPED: Final = IPv6Network("::ffff:0:0/96")
"""RFC 4291 2.5.5.2. The IPv4 address inside decides. The deprecated `::/96` is refused."""
NAT64: Final = IPv6Network("64:ff9b::/96")
"""The well-known prefix of RFC 6052 2.1. The IPv4 address inside decides."""
NAT64_LENGTHS: Final = (32, 40, 48, 56, 64, 96)
"""The prefix lengths that RFC 6052 2.2 defines."""

BLOCKED_ADDRESS: Final = "blocked_address"
BLOCKED_PORT: Final = "blocked_port"
BLOCKED_SCHEME: Final = "blocked_scheme"

REFUSALS: Final = {
    BLOCKED_ADDRESS: Text("The host is not on the public internet; use a publicly reachable one."),
    BLOCKED_PORT: Text("Use port 443 or a port from 1024 upward."),
    BLOCKED_SCHEME: Text("Use https; plain http is switched off on this server."),
}
"""Messages for customers. They never contain an address, because it could be an internal one."""


class Access(Enum):
    """Whether the addresses of a range may be reached."""

    REFUSED = "refused"
    PUBLIC = "public"
    """On the usual ports."""
    ALLOWED = "allowed"
    """The operator allows them, on all ports."""


class EmbeddedIn(NamedTuple):
    """The range of a prefix behind which an IPv4 address is embedded; that address decides."""

    prefix_length: int


Rule = Access | EmbeddedIn
AnyRule = TypeVar("AnyRule", Access, Rule)


class AddressPolicy:
    """Decides what may be connected to. `allow` wins over `deny`, and `deny` over public ranges.

    `nat64` are this network's own prefixes. Raises `ValueError` for a length that RFC 6052 does not
    define.
    """

    def __init__(
        self,
        *,
        allow: Iterable[Network] = (),
        deny: Iterable[Network] = (),
        nat64: Iterable[IPv6Network] = (),
        allow_http: bool = False,
    ) -> None:
        allow, deny, nat64 = list(allow), list(deny), list(nat64)
        for prefix in nat64:
            if prefix.prefixlen not in NAT64_LENGTHS:
                raise ValueError(f"RFC 6052 2.2 does not define the length of {prefix}")
        self._allow_http = allow_http
        self._any_allowed = bool(allow)
        # Later layers win.
        self._starts4, self._rules4 = _cut(
            [
                (IPv4Network("0.0.0.0/0"), Access.PUBLIC),
                *((IPv4Network(text), Access.REFUSED) for text in SPECIAL_IPV4),
                *((network, Access.REFUSED) for network in deny if network.version == 4),  # noqa: PLR2004
                *((network, Access.ALLOWED) for network in allow if network.version == 4),  # noqa: PLR2004
            ]
        )
        embedding = sorted((IPV4_MAPPED, NAT64, *nat64), key=lambda prefix: prefix.prefixlen)
        layers: list[tuple[Network, Rule]] = [
            (IPv6Network("::/0"), Access.REFUSED),
            (IPv6Network(GLOBAL_IPV6), Access.PUBLIC),
            *((IPv6Network(text), Access.REFUSED) for text in SPECIAL_IPV6),
            *((prefix, EmbeddedIn(prefix.prefixlen)) for prefix in embedding),
            *((network, Access.REFUSED) for network in deny if network.version == 6),  # noqa: PLR2004
            *((network, Access.ALLOWED) for network in allow if network.version == 6),  # noqa: PLR2004
        ]
        self._starts6, self._rules6 = _cut(layers)

    def refusal(self, address: Address, port: int, scheme: str) -> str | None:
        """Return why this must not be connected to, as a key of `REFUSALS`; None if it may be."""
        if scheme == "http" and not self._allow_http:
            return BLOCKED_SCHEME
        access = self._access(address)
        if access is Access.REFUSED:
            return BLOCKED_ADDRESS
        if access is Access.ALLOWED or self._usual_port(port):
            return None
        return BLOCKED_PORT

    def port_refusal(self, port: int) -> str | None:
        """Return why no address may be reached on this port; None if some may."""
        return None if self._any_allowed or self._usual_port(port) else BLOCKED_PORT

    def _usual_port(self, port: int) -> bool:
        return port == 443 or port >= 1024 or (port == 80 and self._allow_http)  # noqa: PLR2004  docs/explanation/egress.md

    def _access(self, address: Address) -> Access:
        if isinstance(address, IPv4Address):
            return self._access_ipv4(int(address))
        if address.scope_id is not None:  # a zone is local to this host (RFC 4007)
            return Access.REFUSED
        number = int(address)
        rule = self._rules6[bisect_right(self._starts6, number) - 1]
        if isinstance(rule, Access):
            return rule
        inside = _embedded_ipv4(number, rule.prefix_length)
        return Access.REFUSED if inside is None else self._access_ipv4(inside)

    def _access_ipv4(self, number: int) -> Access:
        return self._rules4[bisect_right(self._starts4, number) - 1]


def _cut(layers: Sequence[tuple[Network, AnyRule]]) -> tuple[list[int], list[AnyRule]]:
    """Cut overlapping networks into disjoint ranges; a later network overrides an earlier one.

    Returns the first number of each range, in order, and its rule.
    """
    bounds: set[int] = set()
    spans = []
    for network, rule in layers:
        first = int(network.network_address)
        after = int(network.broadcast_address) + 1
        spans.append((first, after, rule))
        bounds |= {first, after}
    starts: list[int] = []
    rules: list[AnyRule] = []
    for start in sorted(bounds)[:-1]:  # the last bound is the end of the address space
        top = next(rule for first, after, rule in reversed(spans) if first <= start < after)
        if not rules or rules[-1] != top:
            starts.append(start)
            rules.append(top)
    return starts, rules


def _embedded_ipv4(number: int, prefix_length: int) -> int | None:
    """Return the IPv4 address embedded after a prefix (RFC 6052 2.2); None if it is not valid.

    Bits 64 to 71 are skipped and must be zero, except with a /96 prefix.
    """
    if prefix_length == 96:  # noqa: PLR2004  RFC 6052 2.2
        return number & 0xFFFFFFFF
    if (number >> 56) & 0xFF:
        return None
    without_gap = ((number >> 64) << 56) | (number & ((1 << 56) - 1))  # 120 bits
    return (without_gap >> (120 - prefix_length - 32)) & 0xFFFFFFFF
