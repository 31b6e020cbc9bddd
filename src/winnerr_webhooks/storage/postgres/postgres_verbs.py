"""How the verbs of PostgreSQL reach the database: on which connections, with which settings."""

import asyncio
from collections.abc import Mapping
from typing import Final, TypeVar

import structlog

from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.storage.failure_streak import FailureRules
from winnerr_webhooks.storage.postgres.database_clock import DatabaseClock
from winnerr_webhooks.storage.postgres.postgres_session import PostgresSession, columns
from winnerr_webhooks.storage.postgres.transactions import ROAD_SECONDS, Database, Work
from winnerr_webhooks.storage.verb_base import Verb, VerbBase

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
JOB_SECONDS: Final = 5.0
_JOBS: Final = (
    "SET LOCAL statement_timeout = '4500ms';"
    # A slice that a crash undoes is run again, so its commit does not wait for the disk.
    "SET LOCAL synchronous_commit = off;"
    # A slice is the next rows of an index. Gathering and sorting all rows there are takes longer
    # the more there are, whatever their number was when the plan was made.
    "SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off;"
)
LOWER_SECONDS: Final = 0.1
"""How long lowering lanes may take at least."""

log = structlog.get_logger(__name__)


class PostgresVerbs(VerbBase):
    """The base of the parts of a `PostgresStorage`."""

    _road: Database
    """Connections for the road of an event; nothing slow runs on them."""
    _aside: Database
    """Connections for everything else: pages, jobs, clean-up."""
    _clock: DatabaseClock
    _rules: FailureRules
    _node: str
    """The name of this process, unique among those on the database; new at each start."""

    async def _write(self, verb: Work[T]) -> T:
        return await self._lowering(self._aside, verb)

    async def _write_slice(self, verb: Work[T]) -> T:
        return await self._lowering(self._aside, verb, seconds=JOB_SECONDS, settings=_JOBS)

    async def _read(self, verb: Work[T]) -> T:
        return await self._aside.transact(verb, seconds=READ_SECONDS, settings=_READS)

    async def _search(self, organization: str, verb: Verb[T]) -> T:
        async with self._searches.slot(organization):
            return await self._read_for(organization, verb)

    async def _read_for_road(self, verb: Work[T]) -> T:
        return await self._road.transact(verb)

    async def _lowering(
        self,
        database: Database,
        verb: Work[T],
        *,
        seconds: float = ROAD_SECONDS,
        settings: str = "",
    ) -> T:
        """Run a verb, and after its commit lower the lanes of what it made due."""
        lanes: dict[str, int] = {}

        async def work(db: PostgresSession) -> T:
            nonlocal lanes
            lanes = db.lanes
            return await verb(db)

        answer = await database.transact(work, seconds=seconds, settings=settings)
        await self._lower_lanes(lanes)
        return answer

    async def _lower_lanes(self, due: Mapping[str, int], ends: float | None = None) -> None:
        """Make sure that each webhook's lane wakes at that time at the latest.

        The work itself is on disk by now, so a failure here is not the caller's: `repair` finds
        due work that has no lane. `ends` is the loop's instant by which a caller wants an answer.
        """
        if not due:
            return
        lanes = columns(sorted(due.items()))
        seconds = ROAD_SECONDS
        if ends is not None:
            seconds = min(max(ends - asyncio.get_running_loop().time(), LOWER_SECONDS), seconds)
        try:
            await self._road.autocommit(
                lambda db: db.execute("lower_lanes", *lanes), seconds=seconds
            )
        except Unavailable as error:
            log.warning("lanes were not lowered", webhooks=len(due), reason=error.detail)
        except Exception:
            log.exception("lanes were not lowered", webhooks=len(due))

    async def read_clock(self) -> None:
        """Read the database's clock, if it is time for another reading."""
        raise NotImplementedError
