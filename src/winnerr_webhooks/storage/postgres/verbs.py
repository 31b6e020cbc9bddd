"""What every group of verbs of the adapter stands on."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from winnerr_webhooks.crypto import Sealer
from winnerr_webhooks.storage.postgres.clock import DatabaseClock
from winnerr_webhooks.storage.postgres.database import Database, Session
from winnerr_webhooks.storage.runs import DisablingRule
from winnerr_webhooks.storage.turns import Turns

T = TypeVar("T")

READ_SECONDS: Final = 10.0
_READS: Final = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;"
    "SET LOCAL statement_timeout = '9s';"
    # A filter that is not asked for should cost nothing: plan for these very values.
    "SET LOCAL plan_cache_mode = force_custom_plan;"
    # An index gives its rows in order and stops at the limit. A bitmap, which looks cheaper where
    # the statistics of today's partition are yesterday's, reads and sorts them all.
    "SET LOCAL enable_bitmapscan = off;"
)


class Verbs:
    """The parts of a `PostgresStorage`; see the port for what each verb promises."""

    _road: Database
    """Connections of what an event's road needs; nothing slow runs on them."""
    _aside: Database
    """Connections of everything else: pages, jobs, clean-up."""
    _reads: Turns
    """Fewer than those connections: changes, jobs, repair and sign-in have the others."""
    _searches: Turns
    """Fewer again: they hold a place of both."""
    _clock: DatabaseClock
    _keyring: Sealer
    _rule: DisablingRule
    _node: str
    """This process among those on the database; another at each start."""

    async def _write(self, verb: Callable[[Session], Awaitable[T]]) -> T:
        """A change that somebody asked for: one short transaction."""
        return await self._aside.transact(verb)

    async def _read_for(self, organization: str, verb: Callable[[Session], Awaitable[T]]) -> T:
        """A read for a page or a call, in turns between organizations."""
        async with self._reads.place(organization):
            return await self._read(verb)

    async def _read(self, verb: Callable[[Session], Awaitable[T]]) -> T:
        """Look at one committed state, with as many statements as it takes."""
        return await self._aside.transact(verb, seconds=READ_SECONDS, settings=_READS)

    async def _search(self, organization: str, verb: Callable[[Session], Awaitable[T]]) -> T:
        """The same for a read that may look at much."""
        async with self._searches.place(organization):
            return await self._read_for(organization, verb)

    async def read_clock(self) -> None:
        """Read the database's clock, where it is time for another reading."""
        raise NotImplementedError
