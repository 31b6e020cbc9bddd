"""Parsers for the values of settings. They raise `ValueError` that says what was expected."""

import ipaddress
import math
import re
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from winnerr_webhooks.domain.branding import SignatureFormat, parse_signature_format
from winnerr_webhooks.domain.proxy import Proxy

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_ORIGIN = re.compile(r"https?://(\*\.)?[A-Za-z0-9.-]+(:[0-9]{1,5})?")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}")
_DIGITS = re.compile(r"[0-9]{1,9}")
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A header name (RFC 9110, section 5.6.2)."""
_FONT = re.compile(
    r"""(?:"[^"'\\<>]+"|'[^"'\\<>]+'|-?[A-Za-z_][A-Za-z0-9_-]*(?: +-?[A-Za-z_][A-Za-z0-9_-]*)*)"""
)
"""A font family: quoted, or words that are identifiers (CSS Fonts 4, section 2.1)."""
_CSS_WIDE = frozenset(("inherit", "initial", "unset", "revert", "revert-layer", "default"))
"""Words that no family may be called (CSS Values 4, section 4.1.1)."""
_MAX_FONT = 400
_MAX_PORT = 65_535
_PROXY_PORT = 3128
"""The usual one of HTTP proxies."""
_MAX_NAME = 64
_MAX_FORMAT = 128
_DAY = 86_400
_LONGEST_RETRY_DAYS = 30
_MOST_RETRIES = 30


def number(lowest: float, highest: float, unit: str) -> Callable[[str], float]:
    """Return a parser for a number with up to six decimals."""

    def parse(text: str) -> float:
        value = float(text) if _NUMBER.fullmatch(text) else math.nan
        if not lowest <= value <= highest:
            raise ValueError(f"expected a number of {unit} from {lowest:g} to {highest:g}")
        return value

    return parse


def whole(lowest: int, highest: int) -> Callable[[str], int]:
    """Return a parser for a whole number."""

    def parse(text: str) -> int:
        value = int(text) if _DIGITS.fullmatch(text) else -1
        if not lowest <= value <= highest:
            raise ValueError(f"expected a whole number from {lowest} to {highest}")
        return value

    return parse


def port(text: str) -> int:
    """Parse a TCP port; 0 means a free one."""
    if text.startswith(("tcp://", "udp://")):
        raise ValueError(
            "Kubernetes sets this variable for a Service named winnerr-webhooks; rename the "
            "Service, set enableServiceLinks: false, or set the variable in the pod's env"
        )
    return whole(0, 65_535)(text)


def host(text: str) -> str:
    """Parse an address to listen on, or a name of this machine."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        if _HOST.fullmatch(text):
            return text
    raise ValueError("expected an address or a host name, without scheme and port")


def web_url(text: str) -> str:
    """Parse an http or https URL without a path, because links append their own paths."""
    parts = urlsplit(text)  # raises a good ValueError itself for a broken IPv6 literal
    try:
        bad = parts.query or parts.fragment or parts.username is not None or parts.port == 0
    except ValueError:
        bad = True
    if bad or parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", text):
        raise ValueError("expected a URL such as https://webhooks.example.com")
    if parts.path.strip("/"):
        raise ValueError(
            "expected a URL without a path, such as https://webhooks.example.com: give the service "
            "a host name of its own"
        )
    return text.rstrip("/")


def sign_in_url(text: str) -> str:
    """Parse a URL to send visitors to, or nothing."""
    if text and (urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).hostname):
        raise ValueError("expected a URL such as https://crm.example.com/login, or nothing")
    return text


def origins(text: str) -> tuple[str, ...]:
    """Parse origins for the `frame-ancestors` of a Content-Security-Policy."""
    found = tuple(re.split(r"[\s,]+", text)) if text else ()
    for origin in found:
        match = _ORIGIN.fullmatch(origin)
        if match is None or int((match[2] or ":1")[1:]) > _MAX_PORT:
            raise ValueError("expected origins such as https://crm.example.com, comma-separated")
    return found


def brand(text: str) -> str:
    """Parse the product's name."""
    if not 0 < len(text) <= _MAX_NAME or not text.isprintable():
        raise ValueError(f"expected a name of 1 to {_MAX_NAME} printable characters")
    return text


def header_name(text: str) -> str:
    """Parse a header name or its beginning; empty means the default."""
    if text and not (len(text) <= _MAX_NAME and _TOKEN.fullmatch(text)):
        raise ValueError(
            f"expected up to {_MAX_NAME} characters that header names have: letters, digits and "
            "hyphens (RFC 9110, section 5.6.2), such as X-Acme-"
        )
    return text


def signature_format(text: str) -> SignatureFormat:
    """Parse how the product's own signature is written."""
    if len(text) > _MAX_FORMAT:
        raise ValueError(f"expected at most {_MAX_FORMAT} characters")
    return parse_signature_format(text)


def font(text: str) -> str:
    """Parse a font stack; empty means the page's own."""
    families = [part.strip() for part in text.split(",")] if text else []
    if len(text) > _MAX_FONT or not all(
        _FONT.fullmatch(one) and one.lower() not in _CSS_WIDE for one in families
    ):
        raise ValueError(
            'expected font families such as "Globex Sans 3", Arial, sans-serif; a name with a word '
            "that begins with a digit needs quotes"
        )
    if not text.isprintable():
        raise ValueError("expected printable characters")
    return ", ".join(families)


def file_path(text: str) -> str:
    """Parse the path of a file, which is read when the service starts; empty means none."""
    if not text.isprintable():
        raise ValueError("expected the path of a file")
    return text


def retry_schedule(text: str) -> tuple[float, ...]:
    """Parse the seconds before each retry."""
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
    """Return a parser that accepts one of these words; one of them may be empty."""

    def parse(text: str) -> str:
        if text not in words:
            named = [word or "nothing" for word in words]
            raise ValueError(f"expected {', '.join(named[:-1])} or {named[-1]}")
        return text

    return parse


def boolean(text: str) -> bool:
    """Parse true or false, also written as 1 and 0, yes and no, on and off."""
    value = {"true": True, "1": True, "yes": True, "on": True}.get(text.lower())
    if value is None and text.lower() not in ("false", "0", "no", "off"):
        raise ValueError("expected true or false")
    return bool(value)


def egress_proxy(text: str) -> Proxy | None:
    """Parse `http://user:password@proxy:3128`, or nothing. No error repeats the password."""
    if not text:
        return None
    parts = urlsplit(text)
    host, number = parts.hostname, 0
    try:
        number = parts.port or _PROXY_PORT
    except ValueError:
        host = None
    if parts.scheme != "http" or not host or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(
            "expected a URL such as http://proxy:3128 or http://user:password@proxy:3128"
        )
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if ":" in user:  # RFC 7617, section 2
        raise ValueError("a user's name cannot contain a colon")
    return Proxy(host, number, f"{user}:{password}" if user or password else "")


def signing_secret(text: str) -> str:
    """Parse a signing secret, or nothing. No error repeats it."""
    from winnerr_webhooks.domain.errors import Invalid  # noqa: PLC0415  --help must not load it
    from winnerr_webhooks.domain.signing import check_secret  # noqa: PLC0415  likewise

    if text:
        try:
            check_secret(text)
        except Invalid as refusal:
            raise ValueError(refusal.detail.rstrip(".")) from None
    return text


def networks(text: str) -> tuple[Network, ...]:
    """Parse comma-separated CIDRs."""
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
            f"expected comma-separated networks such as 10.0.0.0/8 or fd00::/8, not {text!r}"
        ) from None
    raise ValueError(f"{text!r} is an address inside a network; did you mean {meant}?")


def nat64_prefixes(text: str) -> tuple[ipaddress.IPv6Network, ...]:
    """Parse comma-separated IPv6 prefixes whose length RFC 6052 defines."""
    prefixes = []
    for network in networks(text):
        # RFC 6052, section 2.2: only these lengths define where the IPv4 address is.
        if network.version != 6 or network.prefixlen not in (32, 40, 48, 56, 64, 96):  # noqa: PLR2004  the RFC's numbers
            raise ValueError(
                "expected comma-separated IPv6 prefixes of length 32, 40, 48, 56, 64 or 96 "
                f"(RFC 6052), not {network}"
            )
        prefixes.append(network)
    return tuple(prefixes)
