"""How a setting's text becomes its value: each parser says what it expected, in a ValueError."""

import ipaddress
import math
import re
from collections.abc import Callable
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_ORIGIN = re.compile(r"https?://(\*\.)?[A-Za-z0-9.-]+(:[0-9]{1,5})?")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}")
_DIGITS = re.compile(r"[0-9]{1,9}")
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_DAY = 86_400
_LONGEST_RETRY_DAYS = 30
_MOST_RETRIES = 30


def number(lowest: float, highest: float, unit: str) -> Callable[[str], float]:
    """A parser of a number, with up to six decimals."""

    def parse(text: str) -> float:
        value = float(text) if _NUMBER.fullmatch(text) else math.nan
        if not lowest <= value <= highest:
            raise ValueError(f"expected a number of {unit} from {lowest:g} to {highest:g}")
        return value

    return parse


def whole(lowest: int, highest: int) -> Callable[[str], int]:
    """A parser of a whole number."""

    def parse(text: str) -> int:
        value = int(text) if _DIGITS.fullmatch(text) else -1
        if not lowest <= value <= highest:
            raise ValueError(f"expected a whole number from {lowest} to {highest}")
        return value

    return parse


def port(text: str) -> int:
    """A TCP port; 0 is a free one."""
    if text.startswith(("tcp://", "udp://")):
        raise ValueError(
            "Kubernetes sets this by itself for a Service named winnerr-webhooks; rename the "
            "Service, set enableServiceLinks: false, or set the variable in the pod's own env"
        )
    return whole(0, 65_535)(text)


def host(text: str) -> str:
    """An address to listen on, or a name of this machine."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        if _HOST.fullmatch(text):
            return text
    raise ValueError("expected an address or a host name, without scheme and port")


def web_url(text: str) -> str:
    """An origin of http or https: links lead to fixed paths below it."""
    parts = urlsplit(text)  # its own ValueError (a broken IPv6 literal) is as good as ours
    try:
        odd = parts.query or parts.fragment or parts.username is not None or parts.port == 0
    except ValueError:
        odd = True
    if odd or parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", text):
        raise ValueError("expected a URL such as https://webhooks.example.com")
    if parts.path.strip("/"):
        raise ValueError(
            "expected a URL without a path, such as https://webhooks.example.com: give the service "
            "a host name of its own"
        )
    return text.rstrip("/")


def sign_in_url(text: str) -> str:
    """A URL to send a visitor to, or nothing."""
    if text and (urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).hostname):
        raise ValueError("expected a URL such as https://crm.example.com/login, or nothing")
    return text


def origins(text: str) -> tuple[str, ...]:
    """Origins as Content-Security-Policy's `frame-ancestors` takes them."""
    found = tuple(re.split(r"[\s,]+", text)) if text else ()
    for origin in found:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError("expected origins such as https://crm.example.com, comma-separated")
    return found


def retry_schedule(text: str) -> tuple[float, ...]:
    """Seconds before each retry."""
    parts = [part.strip() for part in text.split(",")] if text else []
    waits = tuple(float(part) if _NUMBER.fullmatch(part) else 0.0 for part in parts)
    longest = _LONGEST_RETRY_DAYS * _DAY
    if len(waits) > _MOST_RETRIES or not all(0 < wait <= longest for wait in waits):
        raise ValueError(
            f"expected up to {_MOST_RETRIES} comma-separated numbers of seconds, each above 0 and "
            f"at most {longest} ({_LONGEST_RETRY_DAYS} days); empty for no retries"
        )
    return waits


def one_of(*words: str) -> Callable[[str], str]:
    """A parser of one of a few words; an empty one may be among them."""

    def parse(text: str) -> str:
        if text not in words:
            named = [word or "nothing" for word in words]
            raise ValueError(f"expected {', '.join(named[:-1])} or {named[-1]}")
        return text

    return parse


def boolean(text: str) -> bool:
    """True or false, in the usual words."""
    value = {"true": True, "1": True, "yes": True, "on": True}.get(text.lower())
    if value is None and text.lower() not in ("false", "0", "no", "off"):
        raise ValueError("expected true or false")
    return bool(value)


def networks(text: str) -> tuple[Network, ...]:
    """CIDRs, comma-separated."""
    return tuple(_network(part.strip()) for part in text.split(",")) if text else ()


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f"expected comma-separated networks such as 10.0.0.0/8 or fd00::/8; {text!r} is none"
        ) from None
    raise ValueError(f"{text!r} is an address inside a network; did you mean {meant}?")


def nat64_prefixes(text: str) -> tuple[ipaddress.IPv6Network, ...]:
    """IPv6 prefixes, comma-separated, of the lengths of RFC 6052."""
    prefixes = []
    for network in networks(text):
        # RFC 6052, section 2.2: only these lengths say where the IPv4 address stands.
        if network.version != 6 or network.prefixlen not in (32, 40, 48, 56, 64, 96):  # noqa: PLR2004  the RFC's numbers
            raise ValueError(
                "expected comma-separated IPv6 prefixes of length 32, 40, 48, 56, 64 or 96 "
                f"(RFC 6052); {network} is none"
            )
        prefixes.append(network)
    return tuple(prefixes)
