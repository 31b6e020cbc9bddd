"""The listening socket: opened once, and inherited by the worker processes."""

import errno
import socket

from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.errors import CannotStart, ConfigurationError
from winnerr_webhooks.settings_table import PREFIX

BACKLOG = 2048
"""How many connections may wait to be accepted; Linux limits it to net.core.somaxconn."""


_TEMPORARY = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOBUFS)
"""Errors that may go away: the port is in use, the machine does not have the address yet, or it is
out of descriptors."""


def listen(config: Config) -> socket.socket:
    """Listen on HOST and PORT.

    Raises `ConfigurationError` if that can never work, and `CannotStart` if it may work later.
    """
    try:
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        listener = socket.create_server((config.host, config.port), family=family, backlog=BACKLOG)
    except OSError as error:
        kind = CannotStart if error.errno in _TEMPORARY else ConfigurationError
        raise kind(
            f"{PREFIX}HOST, {PREFIX}PORT: cannot listen on {config.host}:{config.port}: "
            f"{error.strerror}"
        ) from None
    listener.setblocking(False)
    return listener


def adopt(descriptor: int) -> socket.socket:
    """Return the listening socket that this process inherited as `descriptor`."""
    return socket.socket(fileno=descriptor)


def url_of(config: Config, listener: socket.socket) -> str:
    """Return the URL to reach it from this machine, with the actual port if PORT is 0."""
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"http://{host}:{listener.getsockname()[1]}"
