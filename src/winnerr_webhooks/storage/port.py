"""The storage port: the verbs of an event's road, and of looking back on it.

Two adapters implement it, `sqlite/` and `postgres/`; `tests/contract` holds both to every
sentence here. All verbs but `warnings` are coroutines, safe to call concurrently from one event
loop. They raise `Unavailable` when the database cannot do it now (nothing was done), `Uncertain`
when the connection was lost in the middle of a commit, `Poisoned` when this very input cannot be
stored.
Everything that names an organization returns only that organization's rows.

Instants are milliseconds since 1970 of the database's clock; durations are seconds.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from winnerr_webhooks.domain.attempt import LoggedAttempt
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.domain.webhook import Target, Webhook
from winnerr_webhooks.storage.values import (
    ApiKey,
    Claim,
    Claimed,
    Delivery,
    DeliveryFilter,
    DeliveryPage,
    DueLane,
    DuePage,
    Figures,
    Grant,
    HealthBucket,
    LeaseTerms,
    LogFilter,
    LogPage,
    NewWebhook,
    ReplayFilter,
    Settled,
    Settlement,
    StoredEvent,
    WebhookChange,
    WebhookState,
)


class Storage(Protocol):
    """What every adapter can do."""

    # --- the road -----------------------------------------------------------------------------

    async def accept(
        self,
        events: Sequence[NewEvent],
        lease: LeaseTerms | None,
        late: Callable[[], Sequence[NewEvent]] | None = None,
        *,
        urgent: bool = True,
    ) -> list[Accepted]:
        """Store events with their deliveries, in one transaction; on disk when this returns.

        One answer an event, in order; then one for each that `late` gives. An adapter whose
        transactions wait for their turn asks it when this one begins, on any thread, perhaps
        more than once; it always gives the same. A client id seen before (in the last 30 days, or
        earlier in this batch) stores nothing and gives the first answer with `duplicate`, or
        `conflict` when its fingerprint differs. Subscriptions are read in the transaction itself.
        A subscribed webhook that is active gets a `pending` delivery, leased to the caller under
        `lease` (None: free and due now); a paused or disabled one gets a `cancelled` delivery.
        Where there is one writer, what is not `urgent` lets other callers' work pass.

        `TimedOut`: it was too much, and a part of it may well be stored.
        """
        ...

    async def fan_out(self, pairs: Sequence[tuple[str, str]]) -> list[int]:
        """How many webhooks want the events of each (organization, name), but deleted ones."""
        ...

    async def settle(self, batch: Sequence[Settlement]) -> Settled:
        """Record attempts and move their deliveries on; on disk when this returns.

        Every attempt is recorded, except one whose id already is (a batch may be tried again
        after `Uncertain`). A success makes its delivery `delivered` whatever its state; anything
        else moves it only while the settlement's lease is the current one. Health figures and
        a webhook's run of failures (tests left out) move with it.
        """
        ...

    async def due_lanes(self, after: DueLane | None, limit: int) -> DuePage:
        """At most `limit` lanes that are due, longest due first; those that follow `after`.

        It only reads, and locks nothing. A lane may turn out to have nothing for a claim: another
        node was quicker, or its webhook is not active.
        """
        ...

    async def claim(self, claim: Claim) -> Claimed:
        """Take leases on due deliveries of these lanes, no more of each than its places.

        Lanes take turns within the claim, so its bounds in bytes leave each of them a part.
        A webhook that is not active yields nothing but its tests; a deleted one not even those.
        What a webhook was asked to send before it stopped being active stays cancelled when it
        is active again, whether or not the job has got to it. The fifth lease in a row that saw
        no settled attempt is the last: then the delivery has `failed`.
        """
        ...

    async def release(self, deliveries: Sequence[LeasedDelivery]) -> None:
        """End leases whose attempt was not started: free and due at once, for any node.

        Such a lease does not count toward the five that see no settled attempt. A lease that is
        not the current one any more is left alone.
        """
        ...

    async def recover(self, longest_waits: Sequence[float] = ()) -> int:
        """Free what a dead predecessor of an embedded node had leased; how many deliveries.

        Waiting retries keep their time, as far as it can be: `longest_waits` are the most seconds
        before automatic attempt 1, 2, 3, … What waits longer was noted by a clock that ran ahead,
        and is due when that time is over; without them nothing is. These leases do not count
        toward the five. To be called before the node claims, by it alone.
        """
        ...

    async def repair(self) -> int:
        """Find lost wake-ups and leases that ran out, and make them claimable; how many."""
        ...

    async def run_job_slice(self) -> bool:
        """One slice (at most 1,000 rows, one transaction) of the oldest job; False: no job.

        Jobs cancel what waits of a webhook that is not active any more, and enqueue replays.
        """
        ...

    # --- webhooks -----------------------------------------------------------------------------

    async def create_webhook(self, new: NewWebhook, limit: int) -> Webhook:
        """Store a webhook, live from then on. `Conflict` when the organization has `limit`."""
        ...

    async def webhooks(self, organization: str) -> list[Webhook]:
        """All webhooks of an organization, oldest first."""
        ...

    async def webhook(self, organization: str, webhook_id: str) -> Webhook | None:
        """One webhook; None when it is not the organization's, or deleted."""
        ...

    async def change_webhook(
        self,
        organization: str,
        webhook_id: str,
        change: WebhookChange,
        *,
        replay_cancelled: bool = False,
    ) -> Webhook | None:
        """Apply a change; with `replay_cancelled`, also a job that replays its `cancelled` ones."""
        ...

    async def delete_webhook(self, organization: str, webhook_id: str) -> bool:
        """Delete a webhook, its secrets at once; its log stays. False: there was none."""
        ...

    async def secrets(self, organization: str, webhook_id: str) -> tuple[str | None, str | None]:
        """The signing secret and the one that follows it; `NotFound` without such a webhook."""
        ...

    async def set_secret(
        self, organization: str, webhook_id: str, secret: str | None, overlap_seconds: int
    ) -> int | None:
        """Set, rotate or remove (None) the secret; when the overlap ends (ms), or None.

        With an overlap and a secret before, the old one goes on signing and `secret` waits
        beside it; during an overlap `secret` replaces the waiting one, and the end moves.
        `NotFound` without such a webhook.
        """
        ...

    async def targets(self, webhook_ids: Sequence[str]) -> list[Target]:
        """What lanes need, of any organization; deleted webhooks come with status `deleted`."""
        ...

    async def changed_webhooks(self, since: int) -> tuple[int, list[str]]:
        """Webhooks changed after the mark `since` (0: from now on), and the new mark."""
        ...

    async def send_test(
        self, event: NewEvent, webhook_id: str, lease: LeaseTerms | None
    ) -> Accepted:
        """Store a sample event and its one `test` delivery, whatever the webhook's status."""
        ...

    # --- the log ------------------------------------------------------------------------------

    async def log(self, query: LogFilter) -> LogPage:
        """Attempts by filter. A sparse search stops after 50,000 rows or 2 s, with a `next`.

        This and every other read of an organization waits for its turn, so that no organization
        waits for all that another one asks for; `Unavailable` when the turn does not come in time.
        """
        ...

    async def attempt(self, organization: str, attempt_id: str) -> LoggedAttempt | None:
        """One attempt, whole."""
        ...

    async def deliveries(self, query: DeliveryFilter) -> DeliveryPage:
        """Deliveries by filter; stops early like `log`."""
        ...

    async def delivery(self, organization: str, delivery_id: str) -> Delivery | None:
        """One delivery, whole."""
        ...

    async def event(self, organization: str, event_id: str) -> StoredEvent | None:
        """One event with its deliveries."""
        ...

    async def replay(self, organization: str, delivery_id: str) -> str:
        """Ask for one more attempt, outside the retry schedule; the webhook's id.

        `NotFound`, or `Conflict` when the webhook is not active (saying what to do). Of a
        delivery that is being attempted right now, after that attempt. A `test` delivery is
        replayed as trigger `replay` too.
        """
        ...

    async def replay_many(self, query: ReplayFilter, *, dry_run: bool) -> int:
        """How many deliveries match now; unless `dry_run`, a job that replays them."""
        ...

    async def health(self, organization: str, since: int) -> list[HealthBucket]:
        """The rolled-up figures from `since` (ms) on, of every webhook of an organization."""
        ...

    async def webhook_states(self, organization: str) -> list[WebhookState]:
        """How each webhook of an organization stands, in no particular order."""
        ...

    async def cancelled(self, organization: str, webhook_id: str) -> int:
        """Deliveries (no tests) that a pause or a disabling cancelled, counted up to COUNTED."""
        ...

    # --- sign-in to the settings page ---------------------------------------------------------

    async def create_link(self, link: Grant, link_hash: bytes) -> None:
        """Store a one-time link by the SHA-256 of its token."""
        ...

    async def link(self, link_hash: bytes) -> Grant | None:
        """What a link grants; None when it was used, has expired, or never was."""
        ...

    async def consume_link(
        self, link_hash: bytes, session_hash: bytes, session_seconds: int
    ) -> Grant | None:
        """Use a link up and start its session, in one transaction; None as in `link`.

        Of two that consume a link at once, one gets the session.
        """
        ...

    async def session(self, session_hash: bytes) -> Grant | None:
        """What a session grants; None when it ended, expired, or never was."""
        ...

    async def end_session(self, session_hash: bytes) -> None:
        """Sign out."""
        ...

    # --- keys and housekeeping ----------------------------------------------------------------

    async def create_key(self, key: ApiKey, key_hash: bytes) -> None:
        """Store a key by its SHA-256."""
        ...

    async def keys(self) -> list[ApiKey]:
        """All keys, revoked ones included, oldest first."""
        ...

    async def revoke_key(self, key_id: str) -> bool:
        """Revoke a key; False: no such key, or revoked before."""
        ...

    async def key_by_hash(self, key_hash: bytes, *, aside: bool = False) -> ApiKey | None:
        """The key of this SHA-256 that still works.

        `aside`: on connections that events do not wait for, for keys that may be unknown.
        """
        ...

    async def forget(self, retention_days: int) -> int:
        """One slice of retention (at most 1,000 rows a kind); how many rows went, 0: all done.

        Attempts older than that go, except the newest 500 of each organization; then events and
        deliveries that no attempt needs and that are not pending, health figures older than 8
        days, idempotency entries older than 30 days, links and sessions that have expired. A
        deleted webhook goes, a day later at the earliest, once none of these is of it.

        On PostgreSQL attempts, deliveries and events go by the day (UTC), when all of it is that
        old: one slice lets go of some days, and says about how many rows they had.
        """
        ...

    async def figures(self) -> Figures:
        """For the metrics page."""
        ...

    async def check(self) -> None:
        """Whether `accept` would work now; `Unavailable` with the reason when not."""
        ...

    def warnings(self) -> tuple[str, ...]:
        """What somebody should see to although all works still, each a sentence; from memory."""
        ...

    async def close(self) -> None:
        """Finish what was handed in, and let go of the database."""
        ...
