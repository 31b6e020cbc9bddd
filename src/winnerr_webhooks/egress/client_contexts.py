"""TLS settings with a client certificate, for receivers that ask for one."""

import asyncio
import os
import ssl
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from winnerr_webhooks.domain.client_identity import ClientIdentity

MAX_CONTEXTS: Final = 64
"""Contexts that are kept, of about 1 MiB each; beyond that, the one that was used longest ago is
dropped. A new one takes about 50 ms, in a thread, and only new connections need it."""


class ClientContexts:
    """The TLS settings by client certificate. `new_context` makes those without one."""

    def __init__(self, new_context: Callable[[], ssl.SSLContext]) -> None:
        self._new_context = new_context
        self._contexts: OrderedDict[str, ssl.SSLContext] = OrderedDict()
        self._making: dict[str, asyncio.Future[ssl.SSLContext]] = {}

    def __len__(self) -> int:
        return len(self._contexts)

    async def get(self, identity: ClientIdentity) -> ssl.SSLContext:
        """Return the context of an identity. Raises OSError if OpenSSL does not take it."""
        key = identity.fingerprint
        context = self._contexts.get(key)
        if context is not None:
            self._contexts.move_to_end(key)
            return context
        making = self._making.get(key)
        if making is None:
            making = asyncio.ensure_future(asyncio.to_thread(self._make, identity))
            self._making[key] = making
            making.add_done_callback(lambda made: self._made(key, made))
        return await asyncio.shield(making)

    def _make(self, identity: ClientIdentity) -> ssl.SSLContext:
        context = self._new_context()
        load_identity(context, identity.certificate, identity.private_key)
        return context

    def _made(self, key: str, making: asyncio.Future[ssl.SSLContext]) -> None:
        del self._making[key]
        if making.cancelled() or making.exception() is not None:
            return  # those who wait get it
        self._contexts[key] = making.result()
        if len(self._contexts) > MAX_CONTEXTS:
            self._contexts.popitem(last=False)


def load_identity(context: ssl.SSLContext, certificate: str, private_key: str) -> None:
    """Let a context show this certificate. Raises OSError if OpenSSL does not take it.

    `ssl` reads files only. This one is in memory and has no name, so that the key is on no disk.
    """
    with open(os.memfd_create("identity", os.MFD_CLOEXEC), "wb") as file:  # noqa: PTH123  it has no path
        file.write(f"{private_key}\n{certificate}\n".encode())
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
