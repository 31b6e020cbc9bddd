"""Who calls: API keys, looked up by their hash and remembered for 5 s at most."""

import functools
import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.types import Guard

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.crypto import hash_key
from winnerr_webhooks.domain.errors import NotFound, Unauthorized
from winnerr_webhooks.management.fields import check_organization
from winnerr_webhooks.storage.port import Storage

REMEMBERED_SECONDS: Final = 5.0
REMEMBERED_KEYS: Final = 4_096

_PLAIN: Final = len("Bearer ") + 47
"""Bytes of a header as nearly everybody writes it. Only such are remembered: with spaces as he
likes, the holder of one key could fill all places, and much memory."""
_BEARER = re.compile(rb"bearer +(wwk_[A-Za-z0-9_-]{43}) *", re.IGNORECASE)


class Caller(msgspec.Struct, frozen=True, gc=False):
    """Whose key was sent; `organization` None: a service key, good for every organization."""

    key_id: str
    organization: str | None
    until: float
    """Monotonic instant up to which this may be believed."""


class Authenticator:
    """Turns an Authorization header into a caller.

    Only keys that work are remembered: a new key works at once, a revoked one for 5 s at most.
    A guess costs its maker a request and us one hash and one read by primary key; of 256 random
    bits, guessing finds none.
    """

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._callers: dict[bytes, Caller] = {}

    def remembered(self, header: bytes | None) -> Caller | None:
        """The caller of an Authorization header, where that needs no look into the database."""
        caller = None if header is None else self._callers.get(header)
        return caller if caller is not None and caller.until > self._clock.monotonic() else None

    async def caller(self, header: bytes | None) -> Caller:
        """The caller of an Authorization header (RFC 6750, section 2.1); `Unauthorized` else."""
        if header is None:
            raise Unauthorized("Send an API key in one header: `Authorization: Bearer <key>`.")
        return self.remembered(header) or await self._look_up(header)

    async def _look_up(self, header: bytes) -> Caller:
        now = self._clock.monotonic()
        self._callers.pop(header, None)
        bearer = _BEARER.fullmatch(header)
        key = bearer and await self._storage.key_by_hash(hash_key(bearer[1].decode()))
        if not key:
            raise Unauthorized("This API key does not work: it is unknown or was revoked.")
        caller = Caller(key.id, key.organization, now + REMEMBERED_SECONDS)
        if len(header) == _PLAIN:
            if len(self._callers) >= REMEMBERED_KEYS:
                del self._callers[next(iter(self._callers))]
            self._callers[header] = caller
        return caller


def key_guard(authenticator: Authenticator) -> Guard:
    """A guard that lets only those in to whom the path belongs; the caller is `request.auth`.

    A function and not a method: the framework copies its guards, with all that hangs on them.
    """

    async def guard(
        connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler
    ) -> None:
        header = authorization(connection.scope["headers"])
        caller = await authenticator.caller(header)
        organization = connection.path_params.get("organization")
        if organization is not None:
            if caller.organization not in (None, organization):
                raise NotFound("Nothing of this organization belongs to this API key.")
            check_organization(organization)
        connection.scope["auth"] = caller
        connection.state.ask_again = functools.partial(authenticator.caller, header)

    return guard


def authorization(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The one Authorization header; None when there is none, or several to choose from."""
    found = [value for name, value in headers if name == b"authorization"]
    return found[0] if len(found) == 1 else None
