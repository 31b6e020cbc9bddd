"""The base of the verbs that both databases share.

A verb is one operation of the storage port, such as `accept` or `webhooks`. The classes `…Verbs`
implement groups of them over a `Session`. Each adapter says here how a verb runs: on which
connection, and for how long.
"""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.crypto import Sealer
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.storage.accepting import AcceptTerms
from winnerr_webhooks.storage.acting import ActivityRecorder, current_actor
from winnerr_webhooks.storage.database_session import Session
from winnerr_webhooks.storage.fair_semaphore import FairSemaphore
from winnerr_webhooks.storage.road_values import LeaseTerms

T = TypeVar("T")
Verb = Callable[[Session], Coroutine[Any, Any, T]]
"""A function of the database and its arguments alone: it may be run again."""


class VerbBase:
    """The base of the groups of verbs. An adapter's storage class inherits from all groups."""

    _clock: Clock
    _keyring: Sealer
    _ids: Ids
    _reads: FairSemaphore
    """Slots for reads of pages and calls."""
    _searches: FairSemaphore
    """Slots for reads that may examine many rows."""

    def _recorder(self) -> ActivityRecorder:
        """Return what writes entries of the activity log for whoever acts in this task.

        Take it before a verb is run: on SQLite that happens in another thread.
        """
        return ActivityRecorder(current_actor(), self._ids.new)

    def _terms(self, lease: LeaseTerms | None) -> AcceptTerms:
        """Return the terms of an accept. Leases count from before the statement that takes them."""
        raise NotImplementedError

    async def _write(self, verb: Verb[T]) -> T:
        """Run a change that a caller waits for, in one short transaction."""
        raise NotImplementedError

    async def _write_slice(self, verb: Verb[T]) -> T:
        """Run one slice of a job: a longer transaction that no caller waits for."""
        raise NotImplementedError

    async def _read(self, verb: Verb[T]) -> T:
        """Run a read of one or more statements that all see one committed state."""
        raise NotImplementedError

    async def _read_for(self, organization: str, verb: Verb[T]) -> T:
        """Run a read for a page or an API call; organizations take turns."""
        async with self._reads.slot(organization):
            return await self._read(verb)

    async def _search(self, organization: str, verb: Verb[T]) -> T:
        """Run a read that may examine many rows; organizations take turns."""
        raise NotImplementedError

    async def _scan(self, organization: str, verb: Verb[T]) -> T:
        """Run a read that goes through everything an organization has; it may take longest."""
        return await self._search(organization, verb)

    async def _read_for_road(self, verb: Verb[T]) -> T:
        """Run a short read that the road of an event waits for."""
        raise NotImplementedError

    async def _look_up(self, verb: Verb[T]) -> T:
        """Run a short read that every page begins with; it waits for no other page's reads."""
        return await self._read(verb)
