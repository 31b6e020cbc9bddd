"""Recognizes errors that are a shortage on this machine, not a failure of the receiver.

An attempt needs a file descriptor, memory, socket buffers and a local port. Without them nothing
is sent, and the receiver is not to blame (`domain.errors.LocalShortage`).
"""

import errno
import socket
import ssl
from ipaddress import IPv4Address, IPv6Address
from typing import Final

_SHORTAGES: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_NO_ROUTE: Final = frozenset((errno.EADDRNOTAVAIL, errno.ENETUNREACH, errno.EAFNOSUPPORT))
DESCRIPTOR_CODES: Final = frozenset(("EMFILE", "ENFILE"))
"""The shortages that closing a connection helps against."""


def shortage_code(error: BaseException) -> str:
    """Return the code of the shortage, such as `EMFILE`; empty if the error is not a shortage."""
    if isinstance(error, MemoryError):
        return "ENOMEM"
    if isinstance(error, ssl.SSLError):  # its `errno` is an OpenSSL number
        return "ENOMEM" if error.reason == "MALLOC_FAILURE" else ""
    if isinstance(error, OSError) and error.errno in _SHORTAGES:
        return errno.errorcode[error.errno]
    return ""


def connect_shortage_code(
    error: BaseException, address: IPv4Address | IPv6Address, port: int
) -> str:
    """Return the code of the shortage that made a TCP connect to this address fail, or "".

    Linux reports EADDRNOTAVAIL if all local ports to the destination are in use, but also if there
    is no source address for it, as with IPv6 switched off. Only the first is a shortage.
    """
    if isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL:
        return "EADDRNOTAVAIL" if _has_source_for(address, port) else ""
    return shortage_code(error)


def socket_shortage_code(count: int) -> str:
    """Return the shortage that keeps this process from opening `count` sockets now, or ""."""
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
    """Whether there is a source address for this one. Connecting a UDP socket sends nothing."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((str(address), port))
    except OSError as error:
        return error.errno not in _NO_ROUTE
    return True
