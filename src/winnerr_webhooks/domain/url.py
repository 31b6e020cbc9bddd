"""Parses destination URLs: which ones are accepted, and their parts as an HTTP request needs them.

The rules are stricter than RFC 3986 and the WHATWG URL standard. Lenient parsing is how private
addresses are disguised, so anything that two parsers could read differently is refused. Whether an
address and a port may be reached is decided in `egress.address_policy`, at each connect.
"""

import re
import unicodedata
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final
from urllib.parse import quote

import idna
import msgspec

from winnerr_webhooks.domain.client_identity import ClientIdentity
from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.text import Text

MAX_URL: Final = 2048
"""The longest URL in characters."""
_MAX_HOST: Final = 253
"""The longest host name in characters, without its final dot (RFC 1035, 2.3.4)."""
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}

_SHAPE: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_DOTTED: Final = re.compile(r"(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}")
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_BLANK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
"""Characters that Python calls printable and people cannot see."""
_ALLOWED_IN_NAMES: Final = "\u200c\u200d\ufe0f"
"""Joiners and the emoji selector, which some names contain; UTS 46 checks them."""
_TARGET_SAFE: Final = "/?:@!$&'()*+,;=-._~%[]"
"""Characters of a path and a query that are not percent-encoded (RFC 3986)."""


class Destination(msgspec.Struct, frozen=True):
    """The parts of a URL that a request needs."""

    scheme: str
    """`https` or `http`."""
    host: str
    """Lower-case ASCII name (A-labels), or a literal address without brackets."""
    port: int
    target: str
    """Path and query for the request line: ASCII, begins with `/`."""
    authority: str
    """The value of the Host header; it has the port only if that is not the scheme's default."""
    address: IPv4Address | IPv6Address | None = None
    """The address, if the host is a literal one."""
    identity: ClientIdentity | None = None
    """The client certificate that connections show."""

    def owner(self, organization: str) -> str:
        """Return whose connections these are: a certificate shares them with no other."""
        identity = self.identity
        return organization if identity is None else f"{organization} {identity.fingerprint}"


def parse_url(url: str, *, allow_http: bool) -> Destination:
    """Parse a destination URL. Raises `Invalid` at `/url` if it is not accepted.

    A fragment is refused instead of dropped, so that the URL on the page is the one that is used.
    One final dot of a name is dropped. Names without a dot are accepted.
    """
    _check_characters(url)
    match = _SHAPE.fullmatch(url)
    if match is None:
        raise _refuse(Text("Enter a whole URL, such as https://hooks.example.com/crm."))
    scheme, authority, path, query, fragment = match.groups(default="")
    _check_visible(authority, allowed=_ALLOWED_IN_NAMES)
    _check_visible(path + query + fragment)
    scheme = scheme.lower()
    if scheme not in _DEFAULT_PORTS or (scheme == "http" and not allow_http):
        raise _refuse(Text("The URL must begin with https://."))
    if fragment:
        raise _refuse(Text("Remove the # and everything after it: it is never sent to a server."))
    host, port, address = _parse_authority(authority, _DEFAULT_PORTS[scheme])
    shown = f"[{host}]" if isinstance(address, IPv6Address) else host
    return Destination(
        scheme=scheme,
        host=host,
        port=port,
        target=quote((path or "/") + query, safe=_TARGET_SAFE),
        authority=shown if port == _DEFAULT_PORTS[scheme] else f"{shown}:{port}",
        address=address,
    )


def _refuse(message: str) -> Invalid:
    return Invalid.field("/url", message)


def _check_characters(url: str) -> None:
    if not url:
        raise _refuse(Text("Enter the URL that events are sent to."))
    if len(url) > MAX_URL:
        raise _refuse(
            Text("The URL is too long: shorten it to at most {limit:,} characters.", limit=MAX_URL)
        )
    for character in url:
        if character <= " " or character.isspace() or unicodedata.category(character) == "Cc":
            raise _refuse(Text("Remove spaces and control characters from the URL."))
        if character == "\\":
            raise _refuse(Text("Write / instead of \\ in the URL."))
        if "\ud800" <= character <= "\udfff":
            raise _refuse(
                Text("Remove the broken character (half of a surrogate pair) from the URL.")
            )


def _check_visible(text: str, allowed: str = "") -> None:
    """Refuse invisible characters and those that reverse text: the URL shown must be the real one.

    `allowed` lists exceptions.
    """
    for character in text:
        hidden = not character.isprintable() or _BLANK.match(character)
        if hidden and character not in allowed:
            name = unicodedata.name(character, "unnamed")
            raise _refuse(
                Text(
                    "Remove the invisible {code} ({name}) from the URL.",
                    code=f"U+{ord(character):04X}",
                    name=name,
                )
            )


def _parse_authority(
    authority: str, default_port: int
) -> tuple[str, int, IPv4Address | IPv6Address | None]:
    """Return host, port, and the address if the host is a literal one."""
    if "@" in authority:
        raise _refuse(
            Text("Remove the user name and password from the URL; sign requests instead.")
        )
    if authority.startswith("["):
        literal, bracket, rest = authority[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise _refuse(
                Text("Write an IPv6 address in brackets, such as https://[2606:4700::1]/.")
            )
        address = _parse_ipv6(literal)
        return _ipv6_text(address), _parse_port(rest, default_port), address
    name, colon, digits = authority.partition(":")
    if not name:
        raise _refuse(Text("Add the host to the URL, such as https://hooks.example.com/crm."))
    port = _parse_port(colon + digits, default_port)
    if _DOTTED.fullmatch(name):
        try:
            literal_v4 = IPv4Address(name)
        except AddressValueError:
            raise _refuse(Text("Each part of an IPv4 address is a number from 0 to 255.")) from None
        return name, port, literal_v4
    return _parse_name(name), port, None


def _parse_port(text: str, default_port: int) -> int:
    """Parse `:8443`; an empty text means the default port."""
    if not text:
        return default_port
    if not _PORT.fullmatch(text[1:]) or int(text[1:]) > 65535:  # noqa: PLR2004  RFC 9293, 3.1
        raise _refuse(Text("Write the port after the colon as a number from 1 to 65535."))
    return int(text[1:])


def _parse_ipv6(literal: str) -> IPv6Address:
    if "%" in literal:
        raise _refuse(Text("Remove the zone from the IPv6 address: a public address has none."))
    try:
        return IPv6Address(literal)
    except AddressValueError:
        raise _refuse(Text("The text in brackets is not an IPv6 address; correct it.")) from None


def _ipv6_text(address: IPv6Address) -> str:
    """Format an address as the URL standard does; Python 3.13 formats mapped IPv4 differently."""
    if address.ipv4_mapped is None:
        return str(address)
    number = int(address)
    return f"::ffff:{number >> 16 & 0xFFFF:x}:{number & 0xFFFF:x}"


def _parse_name(name: str) -> str:
    """Convert a host name to lower-case A-labels, as browsers do (UTS 46, section 4).

    IDNA 2008 is stricter and refuses names with emoji, which browsers open.
    """
    if "%" in name:
        raise _refuse(Text("Write the host without percent signs."))
    # Map full-width and circled digits to plain ones, and ideographic full stops to dots, before
    # looking for what a lenient resolver could read as a number.
    _refuse_numbers(unicodedata.normalize("NFKC", name).replace("\u3002", "."))
    if name.isascii():
        host = name.lower()
    else:
        try:
            mapped = idna.uts46_remap(name, std3_rules=True, transitional=False)
            host = ".".join(map(_a_label, mapped.split(".")))
        except (idna.IDNAError, UnicodeError):
            raise _refuse(Text("The host is not a valid international domain name.")) from None
        _refuse_numbers(host)
    host = host.removesuffix(".")
    labels = host.split(".")
    if len(host) > _MAX_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise _refuse(
            Text(
                "The host is not a valid name: letters, digits, hyphens and dots, "
                "at most 63 characters between two dots and 253 in all."
            )
        )
    for label in labels:
        _check_a_label(label)
    return host


def _refuse_numbers(host: str) -> None:
    """Refuse a host that "ends in a number" (WHATWG URL standard, host parsing, 3.5).

    No public name does (RFC 3696, 2), but `inet_aton` reads `127.1`, `0x7f.1`, `0177.0.0.1` and
    `2130706433` as addresses.
    """
    last = host.removesuffix(".").rpartition(".")[2]
    if _NUMBER.fullmatch(last) or last.isnumeric():
        raise _refuse(
            Text(
                "Write an IPv4 address as four decimal numbers, such as 203.0.113.7; "
                "no other notation is accepted."
            )
        )


def _check_a_label(label: str) -> None:
    """Refuse an `xn--` label that is not the encoding of a valid label."""
    if not label.startswith("xn--"):
        return
    try:
        meant = label[4:].encode("ascii").decode("punycode")
        mapped = idna.uts46_remap(meant, std3_rules=True, transitional=False)
        valid = mapped == meant and not meant.isascii() and _a_label(meant) == label
    except (idna.IDNAError, UnicodeError):
        valid = False
    if not valid:
        raise _refuse(
            Text("The host contains an xn-- part that is not a valid international name.")
        )


def _is_name_character(character: str) -> bool:
    """Whether names may contain it: letters, marks, digits and emoji, not look-alikes of `/`."""
    category = unicodedata.category(character)
    return category[0] in "LMN" or (
        category in ("So", "Sk") and not "\u2500" <= character < "\u25a0"
    )


def _a_label(label: str) -> str:
    """Encode a mapped label for the lookup; checks the validity criteria of UTS 46, 4.1."""
    if label.isascii():
        return label
    idna.check_nfc(label)
    idna.check_initial_combiner(label)
    idna.check_bidi(label)
    for position, character in enumerate(label):
        if character in "\u200c\u200d":
            if not idna.valid_contextj(label, position):
                raise idna.InvalidCodepointContext(label)
        elif not (character in "-_" or _is_name_character(character)):
            raise idna.InvalidCodepoint(label)
    return f"xn--{label.encode('punycode').decode('ascii')}"
