"""Connects through an HTTP proxy, to an address that was looked up and checked before.

The proxy gets `CONNECT address:port` (RFC 9110, section 9.3.6), never a host name: it can make no
look-up of its own that would lead somewhere else. TLS to the receiver goes through the tunnel, so
the proxy sees neither headers nor bodies.

Whether the receiver or the proxy is at fault decides what happens to a delivery. The proxy cannot
be reached, or wants other credentials: nothing was sent, and deliveries wait (`LocalShortage`). The
proxy could not connect, or refuses this address: the attempt has failed, and its error says so.
"""

import asyncio
import re
import socket
from base64 import b64encode
from typing import Final

from winnerr_webhooks.domain.errors import LocalShortage
from winnerr_webhooks.domain.proxy import Proxy
from winnerr_webhooks.egress.address_policy import Address
from winnerr_webhooks.egress.failures import DialError, proxy_failure
from winnerr_webhooks.egress.local_shortage import shortage_code

UNREACHABLE: Final = "PROXY_UNREACHABLE"
"""The shortage: nothing accepts connections where the proxy should be."""
CREDENTIALS: Final = "PROXY_CREDENTIALS"
"""The shortage: the proxy wants other credentials, or any (RFC 9110, section 15.5.8)."""
CONNECT_SECONDS: Final = 3.0
"""A proxy is near; one that takes longer to accept a connection counts as unreachable."""
MAX_HEAD: Final = 16 * 1024
"""Bytes of a proxy's answer to CONNECT, at most."""
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?:[ \r]|$)")
_WANTS_CREDENTIALS: Final = 407
_COULD_NOT_CONNECT: Final = frozenset((502, 503, 504))
"""What proxies answer when the receiver refuses the connection or does not accept it in time."""


class ProxyConnector:
    """Connects to an address through a proxy: a `dialer.Connector`."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        encoded = b64encode(proxy.credentials.encode())
        self._credentials = (
            b"Proxy-Authorization: Basic %b\r\n" % encoded if proxy.credentials else b""
        )

    async def __call__(self, address: Address, port: int) -> socket.socket:
        """Return a socket with a tunnel to this address.

        Raises `LocalShortage` if the proxy cannot be used, and `DialError` if it does not connect.
        """
        sock = await self._connect()
        try:
            _check_tunnel(await self._ask(sock, address, port))
        except BaseException:
            sock.close()
            raise
        return sock

    async def _connect(self) -> socket.socket:
        """Connect to the proxy itself, at the first of its addresses that accepts."""
        loop = asyncio.get_running_loop()
        host, port = self._proxy.host, self._proxy.port
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                error: OSError = OSError("the proxy has no address")
                for family, kind, protocol, _name, where in found:
                    try:
                        return await _connected(family, kind, protocol, where)
                    except OSError as failed:
                        error = failed
                raise error
        except OSError as error:  # a time-out is one, too
            raise LocalShortage(shortage_code(error) or UNREACHABLE) from None

    async def _ask(self, sock: socket.socket, address: Address, port: int) -> int:
        """Ask for a tunnel; return the status of the answer."""
        loop = asyncio.get_running_loop()
        where = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"  # noqa: PLR2004
        request = b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n"
        received = b""
        try:
            await loop.sock_sendall(
                sock, request % (where.encode(), where.encode(), self._credentials)
            )
            while b"\r\n\r\n" not in received and len(received) <= MAX_HEAD:
                piece = await loop.sock_recv(sock, 4096)
                if not piece:
                    break
                received += piece
        except OSError:
            raise DialError(proxy_failure("proxy_closed")) from None
        head, end, early = received.partition(b"\r\n\r\n")
        status = _status(head)
        if not end or status is None or (early and status < 300):  # noqa: PLR2004  as above
            raise DialError(proxy_failure("proxy_closed"))
        return status


def _check_tunnel(status: int) -> None:
    """Raise what a proxy's answer means, unless there is a tunnel (RFC 9110, section 9.3.6)."""
    if status == _WANTS_CREDENTIALS:
        raise LocalShortage(CREDENTIALS)
    if not 200 <= status < 300:  # noqa: PLR2004  as above
        code = "proxy_could_not" if status in _COULD_NOT_CONNECT else "proxy_refused"
        raise DialError(proxy_failure(code, status))


async def _connected(family: int, kind: int, protocol: int, where: object) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, where)  # type: ignore[arg-type]
    except BaseException:
        sock.close()
        raise
    return sock


def _status(head: bytes) -> int | None:
    """Return the status of an answer's first line; None if that is none of HTTP/1."""
    line = _STATUS_LINE.match(head)
    return None if line is None else int(line[1])
