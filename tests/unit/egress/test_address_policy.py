"""Which addresses may be reached: special ranges, disguises, and the operator's settings."""

import ipaddress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.egress.address_policy import (
    NAT64_LENGTHS,
    REFUSALS,
    SPECIAL_IPV4,
    SPECIAL_IPV6,
    AddressPolicy,
)

DENY = (ip_network("168.63.129.16/32"), ip_network("2600:bad::/32"))
ALLOW = (
    ip_network("10.1.0.0/16"),
    ip_network("fd12::/16"),
    ip_network("2600:bad:1::/48"),
    ip_network("168.63.129.16/32"),
)


def embed(prefix: str, address: str) -> IPv6Address:
    """Embed an IPv4 address as RFC 6052 2.2 defines it."""
    network = ipaddress.IPv6Network(prefix)
    raw = bytearray(network.network_address.packed)
    at = network.prefixlen // 8
    for byte in IPv4Address(address).packed:
        if at == 8:
            at += 1
        raw[at] = byte
        at += 1
    return IPv6Address(bytes(raw))


def reference(address, *, allow=(), deny=(), nat64=()) -> bool:
    """Decide like the policy, but slowly and without ranges."""
    if any(address in network for network in allow):
        return True
    if any(address in network for network in deny):
        return False
    if address.version == 4:
        return not any(address in ip_network(text) for text in SPECIAL_IPV4)
    prefixes = [ip_network("::ffff:0:0/96"), ip_network("64:ff9b::/96"), *nat64]
    inside = [prefix for prefix in prefixes if address in prefix]
    if inside:
        prefix = max(inside, key=lambda one: one.prefixlen)
        raw = bytearray(address.packed)
        if prefix.prefixlen < 96 and raw.pop(8):
            return False
        at = prefix.prefixlen // 8 if prefix.prefixlen < 96 else 12
        return reference(IPv4Address(bytes(raw[at : at + 4])), allow=allow, deny=deny)
    return address in ip_network("2000::/3") and not any(
        address in ip_network(text) for text in SPECIAL_IPV6
    )


PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700::1111",
    "2001:200::1",
    "2a00:1450:4001::1",
    "2003::1",
    "3ffd:ffff::1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]

PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "::2",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:a9fe:a9fe",
    "::ffff:10.0.0.1",
    "::ffff:0.0.0.0",
    "::ffff:168.63.129.16",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::168.63.129.16",
    "64:ff9b:1::1",
    "64:ff9b:1:7f00:0:100::",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:2::1",
    "2001:3::1",
    "2001:4:112::1",
    "2001:10::1",
    "2001:20::1",
    "2001:30::1",
    "2001:1ff:ffff::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "2002:808:808::1",
    "2620:4f:8000::1",
    "3ffe::1",
    "3fff::1",
    "3fff:fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fe80::a9fe:a9fe",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "ffff::1",
]


@pytest.fixture(scope="module")
def policy() -> AddressPolicy:
    return AddressPolicy(deny=(ip_network("168.63.129.16/32"),))


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_reached(policy, address):
    assert policy.refusal(ip_address(address), 443, "https") is None


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_refused(policy, address):
    assert policy.refusal(ip_address(address), 443, "https") == "blocked_address"


@pytest.mark.parametrize("text", [*SPECIAL_IPV4, *SPECIAL_IPV6])
def test_every_special_range_is_refused_from_its_first_to_its_last_address(policy, text):
    network = ip_network(text)
    for address in (network[0], network[1], network[-1]):
        assert policy.refusal(address, 443, "https") == "blocked_address"


@pytest.mark.parametrize("address", ["2606:4700::1111%eth0", "fe80::1%1", "fd12::1%lo"])
def test_an_address_with_a_zone_is_refused_even_where_its_network_is_allowed(address):
    policy = AddressPolicy(allow=(ip_network("::/0"),))
    assert policy.refusal(ip_address(address), 443, "https") == "blocked_address"


@pytest.mark.parametrize("length", NAT64_LENGTHS)
@pytest.mark.parametrize(
    ("inside", "refusal"),
    [
        ("127.0.0.1", "blocked_address"),
        ("10.9.8.7", "blocked_address"),
        ("169.254.169.254", "blocked_address"),
        ("168.63.129.16", "blocked_address"),
        ("192.168.1.1", "blocked_address"),
        ("8.8.8.8", None),
        ("10.1.2.3", None),
    ],
)
def test_nat64_addresses_are_judged_by_the_ipv4_inside(length, inside, refusal):
    for base in ("2a00:1234:5678:9abc::", "fd00:64:0:1::"):
        prefix = ipaddress.IPv6Network(f"{base}/{length}", strict=False)
        policy = AddressPolicy(
            allow=(ip_network("10.1.0.0/16"),),
            deny=(ip_network("168.63.129.16/32"),),
            nat64=(prefix,),
        )
        assert policy.refusal(embed(str(prefix), inside), 443, "https") == refusal


def test_a_nat64_address_whose_reserved_octet_is_set_is_refused():
    policy = AddressPolicy(nat64=(ip_network("2a00:1::/32"),))
    good = embed("2a00:1::/32", "8.8.8.8")
    assert policy.refusal(good, 443, "https") is None
    assert policy.refusal(IPv6Address(int(good) | 1 << 56), 443, "https") == "blocked_address"


def test_a_nat64_prefix_of_an_unknown_length_is_an_error():
    with pytest.raises(ValueError, match="RFC 6052"):
        AddressPolicy(nat64=(ip_network("2a00::/33"),))


def test_deny_wins_over_public_and_allow_over_everything():
    policy = AddressPolicy(allow=ALLOW, deny=DENY)
    for address, refusal in {
        "10.1.2.3": None,
        "10.2.0.1": "blocked_address",
        "::ffff:10.1.2.3": None,
        "64:ff9b::10.1.2.3": None,
        "fd12::1": None,
        "fd13::1": "blocked_address",
        "2600:bad::1": "blocked_address",
        "2600:bad:1::1": None,
        "2600:bae::1": None,
        "168.63.129.16": None,
    }.items():
        assert policy.refusal(ip_address(address), 443, "https") == refusal, address


@pytest.mark.parametrize(
    ("port", "refusal"),
    [
        (443, None),
        (1024, None),
        (8443, None),
        (65535, None),
        (80, "blocked_port"),
        (22, "blocked_port"),
        (25, "blocked_port"),
        (1, "blocked_port"),
        (1023, "blocked_port"),
    ],
)
def test_ports_are_443_and_1024_upward(policy, port, refusal):
    assert policy.refusal(ip_address("8.8.8.8"), port, "https") == refusal
    assert policy.port_refusal(port) == refusal


def test_port_80_and_plain_http_come_with_allow_http(policy):
    assert policy.refusal(ip_address("8.8.8.8"), 443, "http") == "blocked_scheme"
    lenient = AddressPolicy(allow_http=True)
    assert lenient.refusal(ip_address("8.8.8.8"), 80, "http") is None
    assert lenient.refusal(ip_address("8.8.8.8"), 81, "http") == "blocked_port"


def test_an_allowed_address_may_be_reached_on_any_port():
    policy = AddressPolicy(allow=(ip_network("127.0.0.0/8"),))
    assert policy.refusal(ip_address("127.0.0.1"), 25, "https") is None
    assert policy.refusal(ip_address("8.8.8.8"), 25, "https") == "blocked_port"
    assert policy.port_refusal(25) is None


def test_no_refusal_names_an_address():
    for sentence in REFUSALS.values():
        assert not any(part.strip(".,;").count(".") == 3 for part in sentence.split())


EDGES_IPV4 = sorted(
    {
        min(max(int(edge) + off, 0), 2**32 - 1)
        for text in [*SPECIAL_IPV4, *map(str, (n for n in (*ALLOW, *DENY) if n.version == 4))]
        for edge in (ip_network(text)[0], ip_network(text)[-1])
        for off in (-1, 0, 1)
    }
)
EDGES_IPV6 = sorted(
    {
        min(max(int(edge) + off, 0), 2**128 - 1)
        for text in [
            *SPECIAL_IPV6,
            "2000::/3",
            "::ffff:0:0/96",
            "64:ff9b::/96",
            "2a00:64::/40",
            *map(str, (n for n in (*ALLOW, *DENY) if n.version == 6)),
        ]
        for edge in (ip_network(text)[0], ip_network(text)[-1])
        for off in (-1, 0, 1)
    }
)
ipv4 = st.one_of(st.sampled_from(EDGES_IPV4), st.integers(0, 2**32 - 1)).map(IPv4Address)
ipv6 = st.one_of(
    st.sampled_from(EDGES_IPV6).map(IPv6Address),
    st.integers(0, 2**128 - 1).map(IPv6Address),
    st.integers(2**125, 2**126 - 1).map(IPv6Address),
    ipv4.map(lambda inside: embed("::ffff:0:0/96", str(inside))),
    ipv4.map(lambda inside: embed("64:ff9b::/96", str(inside))),
    ipv4.map(lambda inside: embed("2a00:64::/40", str(inside))),
)
NAT64 = (ipaddress.IPv6Network("2a00:64::/40"),)
POLICIES = [{}, {"deny": DENY}, {"allow": ALLOW, "deny": DENY, "nat64": NAT64}]


@given(address=st.one_of(ipv4, ipv6), settings=st.sampled_from(POLICIES))
def test_the_ranges_agree_with_a_simple_check_of_the_rules(address, settings):
    refusal = AddressPolicy(**settings).refusal(address, 443, "https")
    assert (refusal is None) == reference(address, **settings)
