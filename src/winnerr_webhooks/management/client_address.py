"""The address of the client of a request, also behind proxies."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

from winnerr_webhooks.setting_parsers import Network

_HEADER: Final = b"x-forwarded-for"

Address = IPv4Address | IPv6Address


def client_address(scope: Mapping[str, Any], trusted: Sequence[Network]) -> str | None:
    """Return the client's IP address, as far as it can be trusted; None if it is not known.

    `X-Forwarded-For` counts only if it comes from a trusted proxy. Each proxy has appended the
    address of its own client, so the list is read from its end, and the first address that is no
    trusted proxy is the client's: what stands before it, the client may have made up.
    """
    peer = _address((scope.get("client") or ("",))[0])
    if peer is None:
        return None
    found = peer
    for text in _forwarded(scope["headers"]):
        if not any(found in network for network in trusted):
            break
        address = _address(text)
        if address is None:
            break
        found = address
    return str(found)


def _forwarded(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """Return the addresses of all `X-Forwarded-For` headers, the last one first."""
    values = [value.decode("latin-1") for name, value in headers if name == _HEADER]
    return [one for value in reversed(values) for one in reversed(value.split(","))]


def _address(text: str) -> Address | None:
    """Return an address that may have a port; IPv4 inside of IPv6 as IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
