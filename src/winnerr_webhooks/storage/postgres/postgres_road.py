"""The verbs of an event's road on PostgreSQL: accept, settle, claim and repair."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.errors import TimedOut, Unavailable
from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.storage.accepting import AcceptTerms
from winnerr_webhooks.storage.postgres import postgres_accept, postgres_claim, postgres_settle
from winnerr_webhooks.storage.postgres.connection_opener import Backend
from winnerr_webhooks.storage.postgres.known_filters import KnownFilters
from winnerr_webhooks.storage.postgres.postgres_accept import AcceptedBatch, Batch
from winnerr_webhooks.storage.postgres.postgres_errors import TOO_LONG
from winnerr_webhooks.storage.postgres.postgres_verbs import PostgresVerbs
from winnerr_webhooks.storage.postgres.transactions import LostCommit
from winnerr_webhooks.storage.road_values import (
    Claim,
    Claimed,
    DueLane,
    DuePage,
    LeaseTerms,
    News,
    Settled,
    Settlement,
)
from winnerr_webhooks.storage.settling import lock_order
from winnerr_webhooks.storage.transitions import is_common_case

REPAIR_SECONDS: Final = 60.0
_REPAIRS: Final = "SET LOCAL statement_timeout = '55s'; SET LOCAL synchronous_commit = off;"
ANOTHERS_TURN_MS: Final = 20_000
"""How long another node's repair counts as this one's."""
AFTER_RETURN: Final = 5.0
"""Seconds after a reconnect in which expired leases stay as they are, so that their nodes can
settle what they attempted while the database was away."""
ANSWER_SECONDS: Final = 1.95
"""How long an accept may take in all, so that its caller has an answer within 2 s. Time that the
statement leaves is for finding a lost commit, and for lowering lanes."""
LOST_COMMIT_POLL: Final = 0.05


class RoadVerbs(PostgresVerbs):
    """`storage.port.Road`, except for the verbs that `WebhookVerbs` has.

    See `storage.port` for what each verb promises.
    """

    _repaired_at = 0
    _filters: KnownFilters

    # --- accept -------------------------------------------------------------------------------

    async def accept(
        self,
        events: Sequence[NewEvent],
        lease: LeaseTerms | None,
        late: Callable[[], Sequence[NewEvent]] | None = None,  # noqa: ARG002  nothing is queued here
        *,
        urgent: bool = True,  # noqa: ARG002  there are several connections
    ) -> list[Accepted]:
        """Store events with their deliveries."""
        ends = asyncio.get_running_loop().time() + ANSWER_SECONDS
        terms, now = self._terms(lease), self._clock.now_ms()
        batch = Batch(events)
        run = self._road.transact if batch.has_client_ids else self._road.autocommit
        try:
            stored = await run(
                lambda db: postgres_accept.accept(db, batch, terms, now, self._filters)
            )
        except LostCommit as error:
            stored = await self._find_lost_commit(batch, terms, error, ends)
        await self._lower_lanes(dict.fromkeys(stored.free, now), ends)
        return stored.answers

    async def fan_out(self, pairs: Sequence[tuple[str, str]]) -> list[int]:
        """Return how many webhooks want the events of each (organization, name)."""
        return await self._road.autocommit(lambda db: postgres_accept.fan_out(db, pairs))

    def _terms(self, lease: LeaseTerms | None) -> AcceptTerms:
        seconds = lease.seconds if lease else 0.0
        until = self._clock.now_ms() + round(seconds * 1000) if lease else None
        return AcceptTerms(lease, self._clock.monotonic() + seconds, until)

    async def _find_lost_commit(
        self, batch: Batch, terms: AcceptTerms, lost: LostCommit, ends: float
    ) -> AcceptedBatch:
        """Find out whether a lost commit took place; `Uncertain` when that takes too long."""
        try:
            async with asyncio.timeout_at(ends):
                stored = await self._wait_for_outcome(batch, terms, lost.backend)
        except TimeoutError:
            raise lost from None
        if stored is not None:
            return stored
        if lost.late and not self._road.lost:
            raise TimedOut(TOO_LONG, 2) from lost
        raise Unavailable("The database was lost; nothing was accepted.", 2) from lost

    async def _wait_for_outcome(
        self, batch: Batch, terms: AcceptTerms, backend: Backend | None
    ) -> AcceptedBatch | None:
        """Wait until it is known whether the commit took place; return what it stored.

        Return None if it did not. That is certain only once the committing process has ended.
        """
        while True:
            with suppress(Unavailable):
                over = await self._is_over(backend)
                stored = await self._road.transact(
                    lambda db: postgres_accept.find_committed(db, batch, terms)
                )
                if over or stored is not None:
                    return stored
            await asyncio.sleep(LOST_COMMIT_POLL)

    async def _is_over(self, backend: Backend | None) -> bool:
        if backend is None:
            return False
        return not await self._road.autocommit(lambda db: db.fetch("end_backend", *backend))

    # --- settle -------------------------------------------------------------------------------

    async def settle(self, batch: Sequence[Settlement]) -> Settled:
        """Record attempts and move their deliveries on."""
        now = self._clock.now_ms()
        common = sorted(filter(is_common_case, batch), key=lock_order)
        done: set[str] = set()
        if common:
            done = await self._road.autocommit(
                lambda db: postgres_settle.settle_delivered(db, common, self._node, now)
            )
        rest = [item for item in batch if item.record.id not in done]
        if not rest:
            return Settled()
        return await self._lowering(
            self._road,
            lambda db: postgres_settle.settle(
                db, rest, rules=self._rules, node=self._node, now=now
            ),
        )

    # --- polls --------------------------------------------------------------------------------

    async def news(self) -> News:
        """Return which kinds of work wait."""
        await self.read_clock()
        now = self._clock.now_ms()
        return News(*await self._road.autocommit(lambda db: db.fetch_row("news", now=now)))

    # --- claim --------------------------------------------------------------------------------

    async def due_lanes(self, after: DueLane | None, limit: int) -> DuePage:
        """Return a page of lanes that are due."""
        await self.read_clock()
        now = self._clock.now_ms()
        return await self._road.autocommit(
            lambda db: postgres_claim.due_lanes(db, after, limit, now)
        )

    async def claim(self, claim_: Claim) -> Claimed:
        """Take leases on due deliveries."""
        await self.read_clock()
        now = self._clock.now_ms()
        began = self._clock.monotonic()
        expires = began + claim_.lease_seconds
        return await self._road.transact(
            lambda db: postgres_claim.claim(db, claim_, expires, now, began)
        )

    def busy_seconds(self) -> float:
        """Return the seconds for which the server has worked on this road."""
        return self._road.busy_seconds

    async def release(self, deliveries: Sequence[LeasedDelivery]) -> None:
        """End leases whose attempt was not started."""
        if deliveries:
            now = self._clock.now_ms()
            await self._lowering(self._road, lambda db: postgres_claim.release(db, deliveries, now))

    async def recover(self, longest_waits: Sequence[float] = ()) -> int:  # noqa: ARG002  the port's
        """Free nothing and return 0: which other nodes are dead is unknown. Their leases expire."""
        return 0

    async def repair(self) -> int:
        """Find lost wake-ups and leases that ran out."""
        await self.read_clock()
        now = self._clock.now_ms()
        if self._clock.monotonic() - self._road.reconnected_at < AFTER_RETURN:
            return 0
        turn = (now, now - ANOTHERS_TURN_MS, self._repaired_at)
        if not await self._aside.transact(lambda db: db.execute("turn_to_repair", *turn)):
            return 0
        self._repaired_at = now
        found = 0
        while True:
            freed = await self._lowering(
                self._aside, lambda db: postgres_claim.free_expired(db, now)
            )
            found += freed
            if freed < postgres_claim.EXPIRED_SLICE:
                break
        return found + await self._lowering(
            self._aside, postgres_claim.find_lost_lanes, seconds=REPAIR_SECONDS, settings=_REPAIRS
        )
