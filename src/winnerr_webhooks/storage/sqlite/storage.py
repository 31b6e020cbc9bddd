"""The SQLite adapter of the storage port.

The rule that shapes it: **apsw gives up the GIL at every `sqlite3_step`**, and with a busy event
loop in the other thread it costs up to a whole switch interval to get it back. *Measured*, 64 rows
of 24 columns a transaction, loop busy: `executemany` 300 rows/s at the default interval of 5 ms
and 3,700 at 0.5 ms; the same rows as one statement with bound `VALUES` 4,100 and 21,700; as one
statement cut out of `json_each` 3,700 and 15,700. So on the road of an event

- a whole batch is one statement, its rows bound as `VALUES (…), (…)`, never a row at a time,
- a list comes back as one row, `json_group_array`, decoded here,
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
from winnerr_webhooks.domain.webhook import Target, Webhook
from winnerr_webhooks.storage import secrets, values
from winnerr_webhooks.storage.runs import DisablingRule
from winnerr_webhooks.storage.sqlite import (
    accept,
    calls,
    claim,
    jobs,
    migrate,
    settle,
    webhooks,
)
from winnerr_webhooks.storage.sqlite.connection import Connection
from winnerr_webhooks.storage.sqlite.keep_verbs import KeepVerbs
from winnerr_webhooks.storage.sqlite.key_verbs import KeyVerbs
from winnerr_webhooks.storage.sqlite.log_verbs import LogVerbs
from winnerr_webhooks.storage.sqlite.page_verbs import PageVerbs
from winnerr_webhooks.storage.sqlite.threads import Threads
from winnerr_webhooks.storage.turns import Turns

T = TypeVar("T")

_URGENT = 64
"""Events of an accept that goes before what nobody waits for: with more of them, accepting is at
its limit itself, and large common commits are what helps it most."""
_SETTLED_AT_ONCE = 64
"""Attempts of one verb: somebody's accept may have to wait for it."""
_WRITER_CACHE_KIB = 65_536
_READER_CACHE_KIB = 16_384
_READS = 2


class SqliteStorage(LogVerbs, KeyVerbs, PageVerbs, KeepVerbs):
    """`storage.port.Storage` in one file; see there for what each verb promises."""

    def __init__(
        self,
        threads: Threads,
        *,
        clock: Clock,
        keyring: Sealer,
        rule: DisablingRule,
        lock: TextIO | None,
        reads: Turns,
        searches: Turns,
    ) -> None:
        super().__init__()
        self._threads = threads
        self._clock = SteadyClock(clock)
        self._keyring = keyring
        self._rule = rule._replace(skipped_since=self._clock.skips.since)
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
        disable_after_days: float = 5.0,
        min_failures: int = 20,
        budgets: Budgets | None = None,
    ) -> Self:
        """Open the database file, made or upgraded where needed.

        `exclusive` is for `serve`: one of them at a time has a file, and only when the keys open
        every secret in it. Others open beside it.
        A webhook is disabled after `disable_after_days` of nothing but failures, at least
        `min_failures` of them; 0 days: never. Reads spend `page_reads` and `log_searches` of
        `budgets`; without them there are as many places.

        `ConfigurationError` says what is wrong with the file, or who has it.
        """
        name = migrate.real_name(path)
        lock = migrate.lock(name) if exclusive else None
        try:
            writer = await asyncio.to_thread(migrate.open_writer, name, cache_kib=_WRITER_CACHE_KIB)
        except BaseException:
            if lock is not None:
                lock.close()
            raise
        road, pages, searches, copier = (
            Connection(name, cache_kib=_READER_CACHE_KIB, reads_only=True) for _ in range(4)
        )
        storage = cls(
            Threads(writer, road=road, pages=pages, searches=searches, copier=copier),
            clock=clock,
            keyring=keyring,
            rule=DisablingRule(disable_after_days, min_failures),
            lock=lock,
            reads=Turns(_READS) if budgets is None else Turns.of(budgets.page_reads),
            searches=Turns(1) if budgets is None else Turns.of(budgets.log_searches),
        )
        if exclusive:
            try:
                await storage.check_secrets()
                with suppress(Unavailable):  # a full disk: it is logged, and /readyz says so
                    await storage.try_to_write()
            except BaseException:
                await storage.close()
                raise
        return storage

    @staticmethod
    def has_secrets(path: str | Path) -> bool:
        """Whether a database is there and holds sealed secrets: then no new key may be made.

        Blocking; asked before the database is opened. `ConfigurationError` when it cannot tell.
        """
        return migrate.has_secrets(str(path))

    async def _write(self, verb: Callable[[Connection], T]) -> T:
        return await self._threads.write(verb)

    async def _write_later(self, verb: Callable[[Connection], T]) -> T:
        """A write nobody waits for: what somebody does goes first."""
        return await self._threads.write_later(verb)

    # --- the road -----------------------------------------------------------------------------

    async def accept(
        self,
        events: Sequence[NewEvent],
        lease: values.LeaseTerms | None,
        late: Callable[[], Sequence[NewEvent]] | None = None,
        *,
        urgent: bool = True,
    ) -> list[Accepted]:
        """Store events with their deliveries, and what has come until the writer is at it."""
        expires = self._expires(lease.seconds if lease else 0)

        def verb(db: Connection) -> list[Accepted]:
            all_ = events if late is None else [*events, *late()]
            return accept.accept(db, all_, lease, expires, self._clock.now_ms())

        if urgent and len(events) <= _URGENT:
            return await self._threads.write(verb)
        return await self._threads.write_later(verb, calls.CALLER if urgent else calls.BULK)

    async def fan_out(self, pairs: Sequence[tuple[str, str]]) -> list[int]:
        """How many webhooks want the events of each (organization, name)."""
        return await self._threads.read_for_road(lambda db: accept.fan_out(db, pairs))

    async def settle(self, batch: Sequence[values.Settlement]) -> values.Settled:
        """Record attempts and move their deliveries on: in slices, for others to pass by."""
        slices = [
            batch[at : at + _SETTLED_AT_ONCE] for at in range(0, len(batch), _SETTLED_AT_ONCE)
        ]
        if len(slices) == 1:
            return await self._settle(batch)
        return values.Settled.together(await asyncio.gather(*map(self._settle, slices)))

    async def _settle(self, batch: Sequence[values.Settlement]) -> values.Settled:
        return await self._threads.write_later(
            lambda db: settle.settle(db, batch, self._rule, self._clock.now_ms()), short=True
        )

    async def due_lanes(self, after: values.DueLane | None, limit: int) -> values.DuePage:
        """A page of lanes that are due: a question for a reader, so that no accept waits for it."""
        return await self._threads.read_for_road(
            lambda db: claim.due_lanes(db, after, limit, self._clock.now_ms())
        )

    async def claim(self, claim_: values.Claim) -> values.Claimed:
        """Take leases on due deliveries."""
        expires = self._expires(claim_.lease_seconds)
        return await self._write_later(
            lambda db: claim.claim(db, claim_, expires, self._clock.now_ms())
        )

    async def release(self, deliveries: Sequence[LeasedDelivery]) -> None:
        """End leases whose attempt was not started."""
        await self._write_later(lambda db: claim.release(db, deliveries, self._clock.now_ms()))

    async def recover(self, longest_waits: Sequence[float] = ()) -> int:
        """Free what a dead predecessor had leased; what it put off for too long is due earlier."""
        return await self._threads.write(
            lambda db: claim.recover(db, longest_waits, self._clock.now_ms()), calls.START
        )

    async def repair(self) -> int:
        """Find lost wake-ups and leases that ran out.

        That looks at all that waits, so it is no question for a reader that somebody waits for.
        """
        found = await self._threads.search(
            lambda db: claim.find_repairs(db, self._clock.monotonic()), calls.SCAN
        )
        if not found.expired and not found.lanes:
            return 0
        return await self._threads.write_later(
            lambda db: claim.repair(db, found, self._clock.monotonic()), calls.JOB
        )

    async def run_job_slice(self) -> bool:
        """One slice of the job whose turn it is."""
        return await self._threads.write_later(
            lambda db: jobs.run_slice(db, self._clock.now_ms()), calls.JOB
        )

    def _expires(self, seconds: float) -> float:
        """When a lease ends, counted from before the statement that takes it."""
        return self._clock.monotonic() + seconds

    # --- webhooks -----------------------------------------------------------------------------

    async def create_webhook(self, new: values.NewWebhook, limit: int) -> Webhook:
        """Store a webhook, live from then on."""
        secret = secrets.sealed(self._keyring, new.secret, new.id)
        return await self._write(
            lambda db: webhooks.create(db, new, secret, limit, self._clock.now_ms())
        )

    async def webhooks(self, organization: str) -> list[Webhook]:
        """All webhooks of an organization."""
        return await self._read_for(
            organization, lambda db: webhooks.all_of(db, organization, self._clock.now_ms())
        )

    async def webhook(self, organization: str, webhook_id: str) -> Webhook | None:
        """One webhook."""
        return await self._read_for(
            organization,
            lambda db: webhooks.get(db, organization, webhook_id, self._clock.now_ms()),
        )

    async def change_webhook(
        self,
        organization: str,
        webhook_id: str,
        change: values.WebhookChange,
        *,
        replay_cancelled: bool = False,
    ) -> Webhook | None:
        """Apply a change."""
        return await self._write(
            lambda db: webhooks.change(
                db,
                organization,
                webhook_id,
                change,
                self._clock.now_ms(),
                replay_cancelled=replay_cancelled,
            )
        )

    async def delete_webhook(self, organization: str, webhook_id: str) -> bool:
        """Delete a webhook; its log stays."""
        return await self._write(
            lambda db: webhooks.delete(db, organization, webhook_id, self._clock.now_ms())
        )

    async def secrets(self, organization: str, webhook_id: str) -> tuple[str | None, str | None]:
        """The signing secret and the one that follows it."""
        held = await self._read_for(
            organization,
            lambda db: webhooks.secrets(db, organization, webhook_id, self._clock.now_ms()),
        )
        return (
            secrets.opened(self._keyring, held.signing, webhook_id),
            secrets.opened(self._keyring, held.following, webhook_id),
        )

    async def set_secret(
        self, organization: str, webhook_id: str, secret: str | None, overlap_seconds: int
    ) -> int | None:
        """Set, rotate or remove the secret."""
        sealed = secrets.sealed(self._keyring, secret, webhook_id)
        return await self._write(
            lambda db: webhooks.set_secret(
                db,
                organization,
                webhook_id,
                sealed,
                overlap_seconds=overlap_seconds,
                now=self._clock.now_ms(),
            )
        )

    async def check_secrets(self) -> None:
        """See that the keys open every stored secret; `ConfigurationError` when not."""
        await self._threads.read(lambda db: webhooks.check_secrets(db, self._keyring), calls.START)

    async def targets(self, webhook_ids: Sequence[str]) -> list[Target]:
        """What lanes need to send."""
        return await self._threads.read_for_road(
            lambda db: webhooks.targets(db, webhook_ids, self._keyring, self._clock.now_ms())
        )

    async def changed_webhooks(self, since: int) -> tuple[int, list[str]]:
        """Webhooks changed after a mark, and the new mark."""
        return await self._threads.read_for_road(lambda db: webhooks.changed(db, since))

    async def send_test(
        self, event: NewEvent, webhook_id: str, lease: values.LeaseTerms | None
    ) -> Accepted:
        """Store a sample event and its one delivery."""
        expires = self._expires(lease.seconds if lease else 0)
        return await self._write(
            lambda db: accept.accept_test(
                db, event, webhook_id, lease, expires=expires, now=self._clock.now_ms()
            )
        )

    # --- replays ---------------------------------------------------------------------------------

    async def replay(self, organization: str, delivery_id: str) -> str:
        """Ask for one more attempt."""
        return await self._write(
            lambda db: jobs.replay(db, organization, delivery_id, self._clock.now_ms())
        )

    async def replay_many(self, query: values.ReplayFilter, *, dry_run: bool) -> int:
        """How many deliveries match; unless `dry_run`, a job that replays them."""
        count = await self._search(
            query.organization, lambda db: jobs.count_matching(db, query), calls.SCAN
        )
        if count and not dry_run:
            await self._write(lambda db: jobs.enqueue(db, query, self._clock.now_ms()))
        return count

    # --- housekeeping ----------------------------------------------------------------

    async def close(self) -> None:
        """Finish what was handed in, and let go of the database."""
        await self._threads.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None
