"""API keys: who a caller is, looked up by the key's hash and remembered for at most 5 s."""

import asyncio
import re
from typing import Any, Final, TypeVar

import msgspec

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.crypto import hash_key
from winnerr_webhooks.domain.errors import Unauthorized, Unavailable
from winnerr_webhooks.quotas import Budget
from winnerr_webhooks.storage.port import Keys
from winnerr_webhooks.storage.values import ApiKey

T = TypeVar("T")

REMEMBERED_SECONDS: Final = 5.0
RENEWED_SECONDS: Final = 1.0
"""A key that is asked for in its last second is looked up again meanwhile."""
REMEMBERED_KEYS: Final = 4_096

_PLAIN: Final = len("Bearer ") + 47
"""Bytes of a header as nearly everybody writes it. No other is remembered: by adding spaces, the
holder of one key could fill all places."""
_BEARER = re.compile(rb"bearer +(wwk_[A-Za-z0-9_-]{43}) *", re.IGNORECASE)


class Caller(msgspec.Struct, frozen=True, gc=False):
    """The owner of a key; `organization` None: a service key, good for every organization."""

    key_id: str
    organization: str | None
    until: float
    """Monotonic instant until which no new lookup is needed."""

    @property
    def holder(self) -> str:
        """Whose quota of a budget it uses: its organization's; a service key has its own."""
        return self.organization or self.key_id


class Authenticator:
    """Turns an Authorization header into a caller.

    A key that works is remembered for 5 s, so a revoked key works for at most 5 s more. It is
    looked up again with the reads that events wait for.

    A key that has not worked here before is looked up apart from those reads, a few keys at a
    time, so a flood of unknown keys does not slow events down. That a key does not work is
    remembered for 5 s, too. A new key works at once all the same: it has 256 random bits, so
    nobody can have sent it before it was stored and shown.
    """

    def __init__(self, storage: Keys, clock: Clock, lookups: Budget) -> None:
        """`lookups`: how many new keys are looked up at once."""
        self._storage = storage
        self._clock = clock
        self._lookups = lookups
        self._callers: dict[bytes, Caller] = {}
        self._unknown: dict[bytes, float] = {}
        """Hashes of keys that do not work, and until when (monotonic) that is remembered."""
        self._pending: dict[bytes, asyncio.Task[ApiKey | None]] = {}
        """Lookups of new keys that are under way, by hash."""
        self._renewals: dict[bytes, asyncio.Task[Caller | None]] = {}
        """Lookups of keys that worked before, by header."""

    def remembered(self, header: bytes | None) -> Caller | None:
        """The caller of an Authorization header if it is known without the database, else None.

        A key that is in use is looked up again before it is forgotten, so no call waits for that.
        """
        caller = None if header is None else self._callers.get(header)
        if header is None or caller is None:
            return None
        left = caller.until - self._clock.monotonic()
        if left < RENEWED_SECONDS:
            if left <= 0:
                return None
            self._renewal(header)
        return caller

    async def caller(self, header: bytes | None) -> Caller:
        """The caller of an Authorization header (RFC 6750, section 2.1).

        `Unauthorized` when its key does not work; `Unavailable` when the database is away, or too
        many new keys are being looked up.
        """
        if header is None:
            raise Unauthorized("Send an API key in one header: `Authorization: Bearer <key>`.")
        return self.remembered(header) or await self._look_up(header)

    async def _look_up(self, header: bytes) -> Caller:
        if header in self._callers:
            caller = await asyncio.shield(self._renewal(header))
        else:
            now = self._clock.monotonic()
            caller = self._known(header, await self._look_up_new(_hash(header)), now)
        if caller is None:
            raise _unauthorized()
        return caller

    def _renewal(self, header: bytes) -> asyncio.Task[Caller | None]:
        """Look up a key that worked here before, once for all calls that ask for it now."""
        task = self._renewals.get(header)
        if task is None:
            task = self._renewals[header] = asyncio.create_task(self._renew(header))
            task.add_done_callback(_ignore_failure)  # all calls that asked may be gone
        return task

    async def _renew(self, header: bytes) -> Caller | None:
        now = self._clock.monotonic()
        try:
            key = await self._storage.key_by_hash(_hash(header))
            return self._known(header, key, now)
        finally:
            del self._renewals[header]

    def _known(self, header: bytes, key: ApiKey | None, now: float) -> Caller | None:
        """Remember what a lookup that began at `now` found."""
        self._callers.pop(header, None)
        if key is None:
            return None
        caller = Caller(key.id, key.organization, now + REMEMBERED_SECONDS)
        if len(header) == _PLAIN:
            _remember(self._callers, header, caller)
        return caller

    async def _look_up_new(self, hash_: bytes) -> ApiKey | None:
        """Look up a key that has not worked here before, once for all calls that ask for it now."""
        if self._unknown.get(hash_, 0.0) > self._clock.monotonic():
            return None
        task = self._pending.get(hash_)
        if task is None:
            if not self._lookups.take():
                raise Unavailable(
                    "Too many unknown API keys are being looked up. Try again in a second."
                )
            task = self._pending[hash_] = asyncio.create_task(self._look_up_apart(hash_))
            task.add_done_callback(_ignore_failure)  # all calls that asked may be gone
        return await asyncio.shield(task)

    async def _look_up_apart(self, hash_: bytes) -> ApiKey | None:
        try:
            key = await self._storage.key_by_hash(hash_, aside=True)
            if key is None:
                self._unknown.pop(hash_, None)
                _remember(self._unknown, hash_, self._clock.monotonic() + REMEMBERED_SECONDS)
            return key
        finally:
            del self._pending[hash_]
            self._lookups.release()


def _hash(header: bytes) -> bytes:
    """The hash of a header's key. Raises `Unauthorized` if no key can look like that."""
    bearer = _BEARER.fullmatch(header)
    if bearer is None:
        raise _unauthorized()
    return hash_key(bearer[1].decode())


def _unauthorized() -> Unauthorized:
    return Unauthorized("This API key does not work: it is unknown or was revoked.")


def _remember(memory: dict[bytes, T], key: bytes, value: T) -> None:
    """Keep a value as the newest; drop the oldest when there are too many."""
    if len(memory) >= REMEMBERED_KEYS:
        del memory[next(iter(memory))]
    memory[key] = value


def _ignore_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
