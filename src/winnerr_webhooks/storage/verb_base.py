"""How verbs that both databases share reach the database: each adapter says how they run."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.crypto import Sealer
from winnerr_webhooks.storage.database_session import Session
from winnerr_webhooks.storage.fair_semaphore import FairSemaphore

T = TypeVar("T")
Verb = Callable[[Session], Coroutine[Any, Any, T]]
"""A function of the database and its arguments alone: it may be run again."""


class VerbBase:
    """The base of the groups of verbs; a storage is made of all of them."""

    _clock: Clock
    _keyring: Sealer
    _reads: FairSemaphore
    """Places for reads of pages and calls."""
    _searches: FairSemaphore
    """Places for reads that may examine many rows."""

    async def _write(self, verb: Verb[T]) -> T:
        """A change that a caller waits for: one short transaction."""
        raise NotImplementedError

    async def _write_slice(self, verb: Verb[T]) -> T:
        """One slice of a job: a longer transaction that no caller waits for."""
        raise NotImplementedError

    async def _read(self, verb: Verb[T]) -> T:
        """A read of one committed state, with as many statements as it takes."""
        raise NotImplementedError

    async def _read_for(self, organization: str, verb: Verb[T]) -> T:
        """A read for a page or a call: organizations take turns."""
        async with self._reads.place(organization):
            return await self._read(verb)

    async def _search(self, organization: str, verb: Verb[T]) -> T:
        """The same for a read that may examine many rows."""
        raise NotImplementedError

    async def _scan(self, organization: str, verb: Verb[T]) -> T:
        """The same for a count of everything that an organization has."""
        return await self._search(organization, verb)

    async def _read_for_road(self, verb: Verb[T]) -> T:
        """A short read that the road of an event waits for."""
        raise NotImplementedError

    async def _look_up(self, verb: Verb[T]) -> T:
        """A short read that every page begins with: no other page keeps it waiting."""
        return await self._read(verb)
