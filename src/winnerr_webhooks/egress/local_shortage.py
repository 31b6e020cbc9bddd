"""Tells a shortage on this machine apart from a failure of a receiver or its network.

An attempt needs a file descriptor, memory, socket buffers and a local port. Without them nothing
is sent, and the failure says nothing about the receiver (`domain.errors.LocalShortage`).
"""

import errno
import socket
import ssl
from ipaddress import IPv4Address, IPv6Address
from typing import Final

_LACKS: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_NO_ROUTE: Final = frozenset((errno.EADDRNOTAVAIL, errno.ENETUNREACH, errno.EAFNOSUPPORT))
DESCRIPTOR_CODES: Final = frozenset(("EMFILE", "ENFILE"))
"""The lacks that closing a connection mends."""


def shortage_code(error: BaseException) -> str:
    """The operating system's word for what this machine lacks; empty when it lacks nothing."""
    if isinstance(error, MemoryError):
        return "ENOMEM"
    if isinstance(error, ssl.SSLError):  # its `errno` is OpenSSL's
        return "ENOMEM" if error.reason == "MALLOC_FAILURE" else ""
    if isinstance(error, OSError) and error.errno in _LACKS:
        return errno.errorcode[error.errno]
    return ""


def connect_shortage_code(
    error: BaseException, address: IPv4Address | IPv6Address, port: int
) -> str:
    """The same for a failed TCP connect to this address.

    Linux answers EADDRNOTAVAIL when all local ports to the destination are in use, and also when
    it has no source address for it, as with IPv6 switched off. Only the first is a lack.
    """
    if isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL:
        return "EADDRNOTAVAIL" if _has_source_for(address, port) else ""
    return shortage_code(error)


def socket_shortage_code(count: int) -> str:
    """What keeps this process from opening `count` sockets now; empty when nothing does."""
    opened: list[socket.socket] = []
    try:
        while len(opened) < count:
            opened.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    except OSError as error:
        return shortage_code(error)
    finally:
        for sock in opened:
            sock.close()
    return ""


def _has_source_for(address: IPv4Address | IPv6Address, port: int) -> bool:
    """Whether a local address can reach this one. Connecting a UDP socket sends nothing."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((str(address), port))
    except OSError as error:
        return error.errno not in _NO_ROUTE
    return True
