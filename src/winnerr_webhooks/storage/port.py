"""The storage port: the verbs of an event's road, and of looking back on it.

Two adapters implement it, `sqlite/` and `postgres/`; `tests/contract` holds both to every
sentence here. All verbs are coroutines, safe to call concurrently from one event loop. They
raise `Unavailable` when the database cannot do it now (nothing was done), `Uncertain` when the
connection was lost in the middle of a commit, `Poisoned` when this very input cannot be stored.
Everything that names an organization returns only that organization's rows.

Instants are milliseconds since 1970 of the database's clock; durations are seconds.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from winnerr_webhooks.domain.attempt import AttemptRecord, LoggedAttempt
from winnerr_webhooks.domain.event import Accepted, LeasedDelivery, NewEvent
from winnerr_webhooks.domain.verdict import Verdict
from winnerr_webhooks.domain.webhook import Target, Webhook


class LeaseTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How new deliveries are born: leased to the accepting node, or free and due now."""

    seconds: float
    full: frozenset[str] = frozenset()
    """Webhooks whose lane here has no room: their deliveries are born free."""


class Settlement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One attempt made, and what follows from it."""

    delivery: LeasedDelivery
    record: AttemptRecord
    verdict: Verdict


class Settled(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the storage made of one batch."""

    disabled: tuple[str, ...] = ()
    """Webhooks this batch disabled: by a 410, or by days of nothing but failures."""
    replays_due: bool = False
    """Whether a replay that was asked for during one of these attempts is due now."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a node can take on."""

    lease_seconds: float
    limit: int
    """At most so many deliveries in all."""
    max_bytes: int
    """Stop after the delivery whose body crosses this sum."""
    room: dict[str, int]
    """Room of the lanes this node has; 0: none now."""
    default_room: int
    """Room of a lane it does not have yet."""


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """Due deliveries, leased to the caller."""

    deliveries: list[LeasedDelivery]
    next_due_in: float | None
    """Seconds until the next lane is due (0: more is due now); None: nothing waits. A lane
    without room is asked about again soon, in less than a second: room comes with answers."""
    backlogged: frozenset[str] = frozenset()
    """Of the webhooks in `deliveries`, those of which more is due than was taken."""


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that passed every check."""

    id: str
    organization: str
    url: str
    description: str | None
    events: tuple[str, ...]
    secret: str | None

    def __repr__(self) -> str:
        """Without the secret."""
        return f"NewWebhook({self.id}, {self.organization})"


class WebhookChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a PATCH sets; UNSET leaves a field as it is."""

    url: str | msgspec.UnsetType = msgspec.UNSET
    events: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    status: str | msgspec.UnsetType = msgspec.UNSET
    """`active` or `paused`. Leaving `active` cancels what waits, as a job; entering it starts the
    count of failures anew."""


class LogFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which attempts, newest first."""

    organization: str
    webhook: str | None = None
    event: str | None = None
    outcome: str | None = None
    status: tuple[int, int] | None = None
    """First and last response status, inclusive."""
    text: str | None = None
    """A case-insensitive part of request body, response body, error message or an id."""
    since: int | None = None
    """Inclusive, ms, of the attempt's start."""
    until: int | None = None
    """Exclusive."""
    limit: int = 50
    before: str | None = None
    """An attempt id: only older ones."""
    after: str | None = None
    """An attempt id, or `ids.id_floor`: only newer ones."""


class LogPage(msgspec.Struct, frozen=True, kw_only=True):
    """Attempts newest first; `next` continues, also after an early stop of a sparse search."""

    items: list[LoggedAttempt]
    next: str | None


class DeliveryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries, newest acceptance first."""

    organization: str
    webhook: str | None = None
    event: str | None = None
    status: str | None = None
    since: int | None = None
    until: int | None = None
    limit: int = 50
    before: str | None = None


class Delivery(msgspec.Struct, kw_only=True, gc=False):
    """A delivery as it is read."""

    id: str
    organization: str
    event_id: str
    event: str
    webhook_id: str
    status: str
    test: bool
    next_attempt_at: int | None
    attempts: list[LoggedAttempt] = msgspec.field(default_factory=list)
    """Oldest first; empty in a list."""
    body: bytes = b""
    """Empty in a list."""


class DeliveryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Deliveries newest first; `next` continues."""

    items: list[Delivery]
    next: str | None


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event as it is read, with its deliveries (without attempts and bodies)."""

    id: str
    organization: str
    name: str
    client_id: str | None
    accepted_at: int
    body: bytes
    deliveries: list[Delivery]


class ReplayFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which `failed` or `cancelled` deliveries of active webhooks to send once more."""

    organization: str
    webhook: str | None = None
    event: str | None = None
    failed_only: bool = False
    """Only `failed` ones (outcome=failed)."""
    cancelled_only: bool = False
    """Only `cancelled` ones (what a pause missed)."""
    since: int | None = None
    """Acceptance, inclusive, ms."""
    until: int | None = None
    """Acceptance, exclusive."""


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key; the key itself is never stored."""

    id: str
    name: str
    organization: str | None
    """None: a service key, valid for every organization."""
    created_at: int
    revoked_at: int | None


class HealthBucket(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Attempts of a webhook in five minutes that took about as long (tests are left out)."""

    webhook_id: str
    starts_at: int
    """ms; a multiple of five minutes."""
    duration_class: int
    """`domain.health.duration_class` of their time."""
    succeeded: int
    failed: int
    exhausted: int
    """Deliveries given up in it."""


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a sign-in link or a session of the settings page lets its bearer do."""

    organization: str
    role: str
    """`admin` or `viewer`."""
    user: str | None
    """Who, as the caller that made the link calls them."""
    expires_at: int
    """ms."""


class LastAttempt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A webhook's newest attempt, in short."""

    id: str
    outcome: str
    status: int | None
    error_message: str
    started_at: int


class WebhookState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a webhook stands now."""

    webhook_id: str
    last: LastAttempt | None
    failing_since: int | None
    """Since when (ms) it has had nothing but failures; None: its last attempt succeeded."""
    failures: int
    """How many attempts that run of failures has."""
    first_failure: str | None
    """The attempt that began it, where it is still in the log."""
    waiting: int
    """Pending deliveries, counted up to COUNTED."""


COUNTED: Final = 10_000
"""Where counts for people stop: from there on it is "so many and more"."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator's gauges show."""

    pending: int
    oldest_pending_ms: int | None
    """Acceptance of the oldest pending delivery."""
    lanes: int
    """Webhooks with work waiting in the database."""
    jobs: int


class Storage(Protocol):
    """What every adapter can do."""

    # --- the road -----------------------------------------------------------------------------

    async def accept(self, events: Sequence[NewEvent], lease: LeaseTerms | None) -> list[Accepted]:
        """Store events with their deliveries, in one transaction; on disk when this returns.

        One answer an event, in order. A client id seen before (in the last 30 days, or earlier
        in this batch) stores nothing and gives the first answer with `duplicate`, or `conflict`
        when its fingerprint differs. Subscriptions are read in the transaction itself. A
        subscribed webhook that is active gets a `pending` delivery, leased to the caller under
        `lease` (None: free and due now); a paused or disabled one gets a `cancelled` delivery.
        """
        ...

    async def settle(self, batch: Sequence[Settlement]) -> Settled:
        """Record attempts and move their deliveries on; on disk when this returns.

        Every attempt is recorded, except one whose id already is (a batch may be tried again
        after `Uncertain`). A success makes its delivery `delivered` whatever its state; anything
        else moves it only while the settlement's lease is the current one. Health figures and
        a webhook's run of failures (tests left out) move with it.
        """
        ...

    async def claim(self, claim: Claim) -> Claimed:
        """Take leases on due deliveries, lane by lane, no more of each than it has room for.

        A webhook that is not active yields nothing but its tests; a deleted one not even those.
        What a webhook was asked to send before it stopped being active stays cancelled when it
        is active again, whether or not the job has got to it. The fifth lease in a row that saw
        no settled attempt is the last: then the delivery has `failed`.
        """
        ...

    async def give_back(self, deliveries: Sequence[LeasedDelivery]) -> None:
        """End leases whose attempt was not started: free and due at once, for any node.

        Such a lease does not count toward the five that see no settled attempt. A lease that is
        not the current one any more is left alone.
        """
        ...

    async def recover(self) -> int:
        """Free what a dead predecessor of an embedded node had leased; how many deliveries.

        Waiting retries keep their time. To be called before the node claims, by it alone.
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
        """Attempts by filter. A sparse search stops after 50,000 rows or 2 s, with a `next`."""
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

    async def key_by_hash(self, key_hash: bytes) -> ApiKey | None:
        """The key of this SHA-256 that still works."""
        ...

    async def forget(self, retention_days: int) -> int:
        """One slice of retention (at most 1,000 rows a kind); how many rows went, 0: all done.

        Attempts older than that go, except the newest 500 of each organization; then events and
        deliveries that no attempt needs and that are not pending, health figures older than 8
        days, idempotency entries older than 30 days, links and sessions that have expired.
        """
        ...

    async def figures(self) -> Figures:
        """For the metrics page."""
        ...

    async def check(self) -> None:
        """Whether `accept` would work now; `Unavailable` with the reason when not."""
        ...

    async def close(self) -> None:
        """Finish what was handed in, and let go of the database."""
        ...
