"""The SQLite adapter of the storage port.

The rule that shapes it: **apsw releases the GIL at every `sqlite3_step`**, and with a busy event
loop in the other thread it takes up to a whole switch interval to get it back. *Measured*, 64 rows
of 24 columns a transaction, loop busy: `executemany` 300 rows/s at the default interval of 5 ms
and 3,700 at 0.5 ms; the same rows as one statement with bound `VALUES` 4,100 and 21,700; as one
statement cut out of `json_each` 3,700 and 15,700. So on the road of an event

- a whole batch is one statement, with its rows bound as `VALUES (…), (…)`,
- a list is read as one row, `json_group_array`, and decoded here,
- and the process should set its switch interval to 0.5 ms at the start (wiring does).

See docs/adr/0001-whole-batches-per-statement.md.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self, TextIO, TypeVar

from winnerr_webhooks.budgets import Budgets
from winnerr_webhooks.clock import Clock, SteadyClock
from winnerr_webhooks.crypto import Sealer
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.storage import road_values
from winnerr_webhooks.storage.accepting import AcceptTerms
from winnerr_webhooks.storage.access_verbs import KeyVerbs, SignInVerbs
from winnerr_webhooks.storage.activity_verbs import ActivityVerbs
from winnerr_webhooks.storage.alert_verbs import AlertVerbs
from winnerr_webhooks.storage.failure_streak import DEFAULT_RULES, FailureRules
from winnerr_webhooks.storage.fair_semaphore import FairSemaphore
from winnerr_webhooks.storage.job_verbs import JobVerbs
from winnerr_webhooks.storage.listener_verbs import ListenerVerbs
from winnerr_webhooks.storage.log_verbs import LogVerbs
from winnerr_webhooks.storage.rehearsal_verbs import RehearsalVerbs
from winnerr_webhooks.storage.sqlite import (
    calls,
    sqlite_accept,
    sqlite_claim,
    sqlite_file,
    sqlite_settle,
)
from winnerr_webhooks.storage.sqlite.sqlite_connection import Connection
from winnerr_webhooks.storage.sqlite.sqlite_housekeeping import SqliteHousekeeping
from winnerr_webhooks.storage.sqlite.sqlite_rows import lease_end
from winnerr_webhooks.storage.sqlite.sqlite_session import SqliteSession, run_to_end
from winnerr_webhooks.storage.sqlite.threads import Threads
from winnerr_webhooks.storage.webhook_queries import check_secrets
from winnerr_webhooks.storage.webhook_verbs import WebhookVerbs

T = TypeVar("T")

_URGENT = 64
"""Up to this many events, an accept goes before calls that no caller waits for. With more of them
accepting is at its limit, and large shared commits help it most."""
_SETTLED_AT_ONCE = 64
"""Attempts that one call settles, because an accept may have to wait for it."""
_WRITER_CACHE_KIB = 65_536
_READER_CACHE_KIB = 16_384
_READS = 2


class SqliteStorage(
    SqliteHousekeeping,
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
    """`storage.port.Storage` in one file; see there for what each verb promises."""

    is_shared = False
    outbox = None

    def __init__(
        self,
        threads: Threads,
        *,
        clock: Clock,
        keyring: Sealer,
        rules: FailureRules,
        lock: TextIO | None,
        reads: FairSemaphore,
        searches: FairSemaphore,
    ) -> None:
        super().__init__()
        self._threads = threads
        self._clock = SteadyClock(clock)
        self._keyring = keyring
        self._ids = Ids(self._clock)
        self._rules = rules._replace(skipped_since=self._clock.skips.since)
        self._lock = lock
        self._reads = reads
        self._searches = searches

    @classmethod
    async def open(
        cls,
        path: str | Path,
        *,
        clock: Clock,
        keyring: Sealer,
        exclusive: bool,
        rules: FailureRules = DEFAULT_RULES,
        budgets: Budgets | None = None,
    ) -> Self:
        """Open the database file, made or upgraded where needed.

        `exclusive` is for `serve`: only one at a time can have a file, and only if the keys open
        the secrets in it. Other commands open the file beside it.
        Reads spend `page_reads` and `log_searches` of `budgets`, if given.

        `ConfigurationError` says what is wrong with the file, or which process has it.
        """
        name = sqlite_file.real_name(path)
        lock = sqlite_file.lock(name) if exclusive else None
        try:
            writer = await asyncio.to_thread(
                sqlite_file.open_writer, name, cache_kib=_WRITER_CACHE_KIB
            )
        except BaseException:
            if lock is not None:
                lock.close()
            raise
        road, pages, searches, copier = (
            SqliteSession(name, cache_kib=_READER_CACHE_KIB, reads_only=True) for _ in range(4)
        )
        storage = cls(
            Threads(writer, road=road, pages=pages, searches=searches, copier=copier),
            clock=clock,
            keyring=keyring,
            rules=rules,
            lock=lock,
            reads=FairSemaphore.of(budgets.page_reads) if budgets else FairSemaphore(_READS),
            searches=FairSemaphore.of(budgets.log_searches) if budgets else FairSemaphore(1),
        )
        if exclusive:
            try:
                check = run_to_end(lambda db: check_secrets(db, keyring))
                await storage._threads.read(check, calls.START)
                with suppress(Unavailable):  # a full disk: it is logged, and /readyz says so
                    await storage.try_to_write()
            except BaseException:
                await storage.close()
                raise
        return storage

    # --- the road -----------------------------------------------------------------------------

    async def accept(
        self,
        events: Sequence[NewEvent],
        lease: road_values.LeaseTerms | None,
        late: Callable[[], Sequence[NewEvent]] | None = None,
        *,
        urgent: bool = True,
    ) -> list[Accepted]:
        """Store events with their deliveries, and those that come before the writer begins."""
        terms = self._terms(lease)

        def verb(db: Connection) -> list[Accepted]:
            all_ = events if late is None else [*events, *late()]
            return sqlite_accept.accept(db, all_, terms, self._clock.now_ms())

        if urgent and len(events) <= _URGENT:
            return await self._threads.write(verb)
        return await self._threads.write_later(verb, calls.CALLER if urgent else calls.BULK)

    def busy_seconds(self) -> float:
        """Return 0: all of the work is done in this process."""
        return 0.0

    async def fan_out(self, pairs: Sequence[tuple[str, str]]) -> list[int]:
        """Return how many webhooks want the events of each (organization, name)."""
        return await self._threads.read_for_road(lambda db: sqlite_accept.fan_out(db, pairs))

    async def settle(self, batch: Sequence[road_values.Settlement]) -> road_values.Settled:
        """Record attempts and move their deliveries on, in slices: other calls come between."""
        slices = [
            batch[at : at + _SETTLED_AT_ONCE] for at in range(0, len(batch), _SETTLED_AT_ONCE)
        ]
        if len(slices) == 1:
            return await self._settle(batch)
        return road_values.Settled.merge(await asyncio.gather(*map(self._settle, slices)))

    async def _settle(self, batch: Sequence[road_values.Settlement]) -> road_values.Settled:
        return await self._threads.write_later(
            run_to_end(
                lambda db: sqlite_settle.settle(db, batch, self._rules, self._clock.now_ms())
            ),
            short=True,
        )

    async def news(self) -> road_values.News:
        """Return which kinds of work wait."""
        due, jobs, outbox, mark = await self._threads.read_for_road(
            run_to_end(lambda db: db.fetch_row("news", now=self._clock.now_ms()))
        )
        return road_values.News(bool(due), bool(jobs), bool(outbox), mark)

    async def due_lanes(self, after: road_values.DueLane | None, limit: int) -> road_values.DuePage:
        """Return a page of lanes that are due, on a reader, so that no accept waits for it."""
        return await self._threads.read_for_road(
            lambda db: sqlite_claim.due_lanes(db, after, limit, self._clock.now_ms())
        )

    async def claim(self, claim_: road_values.Claim) -> road_values.Claimed:
        """Take leases on due deliveries."""
        expires = self._expires(claim_.lease_seconds)
        return await self._threads.write_later(
            run_to_end(
                lambda db: sqlite_claim.claim(
                    db, claim_, expires, self._clock.now_ms(), self._clock.monotonic()
                )
            )
        )

    async def release(self, deliveries: Sequence[LeasedDelivery]) -> None:
        """End leases whose attempt was not started."""
        await self._threads.write_later(
            lambda db: sqlite_claim.release(db, deliveries, self._clock.now_ms())
        )

    async def recover(self, longest_waits: Sequence[float] = ()) -> int:
        """Free what an earlier process had leased, and shorten waits that are too long."""
        return await self._threads.write(
            lambda db: sqlite_claim.recover(db, longest_waits, self._clock.now_ms()), calls.START
        )

    async def repair(self) -> int:
        """Find lost wake-ups and leases that ran out.

        That goes through everything pending, so it runs on the reader of searches.
        """
        found = await self._threads.search(
            lambda db: sqlite_claim.find_repairs(db, self._clock.monotonic()), calls.SCAN
        )
        if not found.expired and not found.lanes:
            return 0
        return await self._threads.write_later(
            lambda db: sqlite_claim.repair(db, found, self._clock.monotonic()), calls.JOB
        )

    def _terms(self, lease: road_values.LeaseTerms | None) -> AcceptTerms:
        expires = self._expires(lease.seconds if lease else 0)
        return AcceptTerms(lease, expires, lease_end(expires) if lease else None)

    def _expires(self, seconds: float) -> float:
        """Return when a lease ends, counted from before the statement that takes it."""
        return self._clock.monotonic() + seconds

    # --- housekeeping ----------------------------------------------------------------

    async def close(self) -> None:
        """Finish the calls that were made, and close the database."""
        await self._threads.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None
