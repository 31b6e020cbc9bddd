"""What of a request's head is not taken, whatever it asks for."""

import re
from typing import Any, Final

from winnerr_webhooks.domain.errors import ContentCoding, Malformed, Refused, TransferCoding

_CODINGS: Final = frozenset((b"content-encoding", b"transfer-encoding"))
_HOST: Final = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")
"""The characters of a host and a port (RFC 3986, 3.2)."""
_SHOWN: Final = 80
"""Characters of a header that its refusal repeats."""


def check_head(headers: list[tuple[bytes, bytes]], parser: Any) -> None:
    """Refuse a head without exactly one Host, or with a coding that is not undone here.

    Raises `Malformed`, `ContentCoding` or `TransferCoding`. `headers` have lower-case names;
    `parser` knows the HTTP version. Nearly every head has no name twice and no coding: that takes
    a dict and three look-ups.
    """
    fields = dict(headers)
    if len(fields) < len(headers) or b"host" not in fields or not _CODINGS.isdisjoint(fields):
        _check_fields(headers, parser.get_http_version())
    elif _HOST.fullmatch(fields[b"host"]) is None:
        raise Malformed("The Host header holds a character that no host name has.")


def parser_refusal(error: Exception) -> Refused:
    """Why the parser stopped: one of these rules, or its own."""
    if isinstance(error.__context__, Refused):
        return error.__context__
    if "`Transfer-Encoding`" in str(error):
        return TransferCoding("The transfer coding is not known; use chunked.")
    return Malformed(f"This is not HTTP/1.1: {error}.")


def _check_fields(headers: list[tuple[bytes, bytes]], version: str) -> None:
    hosts = _values(headers, b"host")
    if not hosts and version == "1.1":
        raise Malformed("The request has no Host header (RFC 9112, section 3.2).")
    if len(hosts) > 1:
        raise Malformed("The request has more than one Host header (RFC 9112, section 3.2).")
    if hosts and _HOST.fullmatch(hosts[0]) is None:
        raise Malformed("The Host header holds a character that no host name has.")
    transfer = b", ".join(_values(headers, b"transfer-encoding"))
    if transfer and transfer.lower() != b"chunked":
        raise TransferCoding(f"The transfer coding {_shown(transfer)} is not known; use chunked.")
    content = b", ".join(_values(headers, b"content-encoding"))
    if content and content.lower() != b"identity":
        raise ContentCoding(
            f"The body has the Content-Encoding {_shown(content)}. Send it without one."
        )


def _values(headers: list[tuple[bytes, bytes]], wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name == wanted]


def _shown(value: bytes) -> str:
    return value[:_SHOWN].decode("ascii", "replace")
