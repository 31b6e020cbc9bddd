"""The PostgreSQL adapter of the storage port.

Several nodes write at once. So rows are locked in one order, no row that many transactions need is
locked for long, and round trips are few. On the road of an event

- a whole batch is one statement, with its columns bound as arrays (`unnest`). The common case of
  accept and of settle needs no second one, and so no BEGIN and COMMIT;
- a lane is lowered after the commit that made its work, in a statement of its own that does not
  wait for the disk. It is a hint; all nodes would queue if its row were locked through a commit.
"""

from typing import Final, Self

from winnerr_webhooks.budgets import Budgets
from winnerr_webhooks.clock import Clock
from winnerr_webhooks.crypto import Sealer
from winnerr_webhooks.ids import Ids, Jitter
from winnerr_webhooks.storage.access_verbs import KeyVerbs, SignInVerbs
from winnerr_webhooks.storage.activity_verbs import ActivityVerbs
from winnerr_webhooks.storage.alert_verbs import AlertVerbs
from winnerr_webhooks.storage.failure_streak import DEFAULT_RULES, FailureRules
from winnerr_webhooks.storage.fair_semaphore import FairSemaphore
from winnerr_webhooks.storage.job_verbs import JobVerbs
from winnerr_webhooks.storage.listener_verbs import ListenerVerbs
from winnerr_webhooks.storage.log_verbs import LogVerbs
from winnerr_webhooks.storage.postgres import postgres_schema
from winnerr_webhooks.storage.postgres.database_clock import DatabaseClock
from winnerr_webhooks.storage.postgres.known_filters import KnownFilters
from winnerr_webhooks.storage.postgres.postgres_housekeeping import PostgresHousekeeping
from winnerr_webhooks.storage.postgres.postgres_outbox import PostgresOutbox
from winnerr_webhooks.storage.postgres.postgres_road import RoadVerbs
from winnerr_webhooks.storage.postgres.transactions import Database
from winnerr_webhooks.storage.rehearsal_verbs import RehearsalVerbs
from winnerr_webhooks.storage.webhook_queries import check_secrets
from winnerr_webhooks.storage.webhook_verbs import WebhookVerbs

START_SECONDS: Final = 60.0
_START: Final = "SET LOCAL statement_timeout = '55s';"
ROAD_CONNECTIONS: Final = 4
"""For two accepts, settle and claim; quick statements (lanes, keys) come between them."""


class PostgresStorage(
    RoadVerbs,
    PostgresHousekeeping,
    WebhookVerbs,
    JobVerbs,
    RehearsalVerbs,
    ListenerVerbs,
    LogVerbs,
    SignInVerbs,
    KeyVerbs,
    ActivityVerbs,
    AlertVerbs,
):
    """`storage.port.Storage` in one database; see there for what each verb promises."""

    def __init__(
        self,
        road: Database,
        aside: Database,
        *,
        reads: FairSemaphore,
        searches: FairSemaphore,
        clock: DatabaseClock,
        keyring: Sealer,
        rules: FailureRules,
        node: str,
    ) -> None:
        super().__init__()
        self.is_shared = True
        self._road = road
        self._aside = aside
        self._reads = reads
        self._searches = searches
        self._clock = clock
        self._keyring = keyring
        self._ids = Ids(clock)
        self._rules = rules._replace(skipped_since=clock.skips.since)
        self._node = node
        self._filters = KnownFilters()
        self.outbox = PostgresOutbox(aside, clock)

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        clock: Clock,
        keyring: Sealer,
        serves: bool,
        rules: FailureRules = DEFAULT_RULES,
        follow_database_clock: bool = True,
        connections: int = 8,
        budgets: Budgets | None = None,
    ) -> Self:
        """Connect, and make or upgrade the tables where needed; many nodes may do so at once.

        `serves` is for `serve`: it starts only when the keys open every secret stored. Without
        `follow_database_clock` instants are those of `clock`. Reads spend `page_reads` and
        `log_searches` of `budgets`, if given.

        `ConfigurationError` says why the database cannot be used.
        """
        jitter = Jitter()
        # Reads have fewer slots than there are connections aside, because changes, jobs, repair
        # and sign-in need some. Searches have fewer again, and each holds a slot of both.
        left = max(connections - ROAD_CONNECTIONS, 2)
        slots = max(left - 1, 1)
        road = Database(url, clock=clock, jitter=jitter, connections=ROAD_CONNECTIONS)
        aside = Database(url, clock=clock, jitter=jitter, connections=left)
        storage = cls(
            road,
            aside,
            reads=FairSemaphore.of(budgets.page_reads) if budgets else FairSemaphore(slots, 2),
            searches=FairSemaphore.of(budgets.log_searches)
            if budgets
            else FairSemaphore(left // 2),
            clock=DatabaseClock(clock, follow=follow_database_clock),
            keyring=keyring,
            rules=rules,
            node=Ids(clock).new("node"),
        )
        try:
            await road.start()
            await aside.start()
            await postgres_schema.upgrade(aside)
            await storage.read_clock()
            await storage.make_partitions()
            if serves:
                await aside.transact(
                    lambda db: check_secrets(db, keyring), seconds=START_SECONDS, settings=_START
                )
        except BaseException:
            await storage.close()
            raise
        return storage

    async def close(self) -> None:
        """Finish the calls that were made, and close the database."""
        await self._road.close()
        await self._aside.close()
