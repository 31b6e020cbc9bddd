"""The listening socket: opened by whoever comes first, taken over by the processes it starts."""

import errno
import socket

from winnerr_webhooks.config import PREFIX, Config
from winnerr_webhooks.domain.errors import CannotStart, ConfigurationError

BACKLOG = 2048
"""Connections that wait to be accepted; Linux cuts it to net.core.somaxconn."""


_MAY_PASS = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOBUFS)
"""The port is taken, the machine has not got the address yet, or lacks a descriptor."""


def listen(config: Config) -> socket.socket:
    """Listen where the settings say.

    `ConfigurationError` when that can never be, `CannotStart` when it cannot be now.
    """
    try:
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        listener = socket.create_server((config.host, config.port), family=family, backlog=BACKLOG)
    except OSError as error:
        kind = CannotStart if error.errno in _MAY_PASS else ConfigurationError
        raise kind(
            f"{PREFIX}HOST, {PREFIX}PORT: cannot listen on {config.host}:{config.port}: "
            f"{error.strerror}"
        ) from None
    listener.setblocking(False)
    return listener


def adopt(descriptor: int) -> socket.socket:
    """Take over a listening socket that this process was started with."""
    return socket.socket(fileno=descriptor)


def url_of(config: Config, listener: socket.socket) -> str:
    """Where it is reached from this machine; with port 0, the port that was free."""
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"http://{host}:{listener.getsockname()[1]}"
