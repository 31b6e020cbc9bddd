"""The base of the adapter's groups of verbs that read in turns."""

from collections.abc import Callable
from typing import TypeVar

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.storage.sqlite.calls import SEARCH, TimeLimit
from winnerr_webhooks.storage.sqlite.connection import Connection
from winnerr_webhooks.storage.sqlite.threads import Threads
from winnerr_webhooks.storage.turns import Turns

T = TypeVar("T")


class Verbs:
    """The parts of a `SqliteStorage`; see the port for what each verb promises."""

    _threads: Threads
    _clock: Clock
    _reads: Turns
    _searches: Turns

    async def _read(self, verb: Callable[[Connection], T]) -> T:
        return await self._threads.read(verb)

    async def _read_for(self, organization: str, verb: Callable[[Connection], T]) -> T:
        """A read for a page or a call, in turns between organizations."""
        async with self._reads.place(organization):
            return await self._read(verb)

    async def _search(
        self, organization: str, verb: Callable[[Connection], T], limit: TimeLimit = SEARCH
    ) -> T:
        """The same for a read that may look at much."""
        async with self._searches.place(organization):
            return await self._threads.search(verb, limit)
