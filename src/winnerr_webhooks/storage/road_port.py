"""The part of the storage port for the road of an event; see `storage.port`."""

from collections.abc import Callable, Sequence
from typing import Protocol

from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.domain.webhook import Target
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


class Road(Protocol):
    """The road of an event: it is accepted, and its deliveries are claimed and settled.

    Other verbs repair what a dead process left, and read what lanes need to send.
    """

    @property
    def is_shared(self) -> bool:
        """Whether other nodes may use the same database; then `news` finds the work they leave."""
        ...

    async def news(self) -> News:
        """Return which kinds of work wait. It only reads; more work does not make it slower."""
        ...

    async def accept(
        self,
        events: Sequence[NewEvent],
        lease: LeaseTerms | None,
        late: Callable[[], Sequence[NewEvent]] | None = None,
        *,
        urgent: bool = True,
    ) -> list[Accepted]:
        """Store events with their deliveries, in one transaction; on disk when this returns.

        Return one answer for each event, in order, then one for each event that `late` gives.

        - Subscriptions are read in the transaction itself. An active webhook gets a `pending`
          delivery, leased to the caller under `lease` (None: free and due now). With a rate limit
          or an order it is free in any case, and the answer says `to_claim`. A paused or disabled
          webhook gets a `cancelled` delivery.
        - A client id that was seen before (in the last 30 days, or earlier in this batch) stores
          nothing. Its answer is the first one, with `duplicate`, or with `conflict` when its
          fingerprint differs.
        - `late` gives events that join this transaction. An adapter whose transactions are queued
          calls it when this one begins, on any thread, perhaps more than once. It must always give
          the same events. Other adapters do not call it.
        - Where there is one writer, a call that is not `urgent` lets other callers' work go first.

        `TimedOut` means that this was too much at once; a smaller batch can probably be stored.
        """
        ...

    async def send_test(
        self, event: NewEvent, webhook_id: str, lease: LeaseTerms | None
    ) -> Accepted:
        """Store a sample event and its one `test` delivery, whatever the webhook's status."""
        ...

    async def fan_out(self, pairs: Sequence[tuple[str, str]]) -> list[int]:
        """Return how many webhooks want the events of each pair (organization, name).

        Deleted webhooks do not count.
        """
        ...

    async def settle(self, batch: Sequence[Settlement]) -> Settled:
        """Record attempts and move their deliveries on; on disk when this returns.

        Every attempt is recorded once: a batch may be tried again after `Uncertain`. A success
        makes its delivery `delivered` whatever its state. Any other attempt moves it only while
        the settlement's lease is the current one. Health figures and the webhook's streak of
        failures change in the same transaction; tests do not count in them.
        """
        ...

    async def due_lanes(self, after: DueLane | None, limit: int) -> DuePage:
        """Return at most `limit` lanes that are due and follow `after`, longest due first.

        It only reads, and locks nothing. A claim may find nothing in such a lane, because another
        node was quicker or its webhook is not active.
        """
        ...

    async def claim(self, claim: Claim) -> Claimed:
        """Take leases on due deliveries of these lanes, of each no more than its limit.

        Lanes take turns within the claim, so that its bounds in bytes leave each of them a part.
        A webhook that is not active gives nothing but its tests; a deleted one not even those.
        What was asked for before a webhook stopped being active stays cancelled when it is active
        again, even if the job has not written that down. The fifth lease in a row without a
        settled attempt is the last: then the delivery has `failed`.

        Of a webhook with a rate limit, each delivery has a turn. Of an order, the first deliveries
        are leased, in order, if none of the order is leased already.
        """
        ...

    def busy_seconds(self) -> float:
        """Return the seconds for which the database's server has worked on this road.

        Only differences between two calls mean something. It is always 0 if the database runs in
        this process: then its work is a part of the process's CPU time.
        """
        ...

    async def release(self, deliveries: Sequence[LeasedDelivery]) -> None:
        """End leases whose attempt was not started: free and due at once, for any node.

        Such a lease does not count toward the five without a settled attempt. A lease that is not
        the current one is left alone.
        """
        ...

    async def recover(self, longest_waits: Sequence[float] = ()) -> int:
        """Free what an earlier process of an embedded node had leased; return how many deliveries.

        Rehearsals are freed, too. Retries keep their times, unless these are impossible:
        `longest_waits` are the most seconds before automatic attempt 1, 2, 3, …. A time that is
        further away was set by a clock that ran ahead, and the retry is due after the longest wait
        instead. Without `longest_waits` no time is changed. The freed leases do not count toward
        the five. Only the one node may call this, before it claims.
        """
        ...

    async def repair(self) -> int:
        """Make work claimable whose wake-up was lost or whose lease ran out.

        Return how many deliveries and lanes were repaired.
        """
        ...

    async def run_job_slice(self) -> bool:
        """Run one slice (at most 1,000 rows, one transaction) of the oldest job.

        Return False if there is no job.

        Jobs cancel the pending deliveries of a webhook that is no longer active, enqueue replays,
        and recover deliveries that did not arrive.
        """
        ...

    async def targets(self, webhook_ids: Sequence[str]) -> list[Target]:
        """Return what is needed to send to these webhooks, which may be of any organization.

        A deleted webhook has the status `deleted`.
        """
        ...

    async def changed_webhooks(self, since: int) -> tuple[int, list[str]]:
        """Return webhooks changed after the mark `since` (0: none yet), and the new mark."""
        ...
