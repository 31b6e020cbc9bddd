"""The storage port: what the rest of the program asks of a database.

Two adapters implement it, `sqlite/` and `postgres/`; `tests/contract` holds both to every sentence
here. The port has a part for each kind of user: the pipeline asks for `Road`, pages and the API for
`Webhooks` and `Log`, and so on. `Storage` is all of it.

All verbs but `warnings` are coroutines, and safe to call concurrently from one event loop. They
raise `Unavailable` when the database cannot do it now (then nothing was done), `Uncertain` when the
connection was lost in the middle of a commit, and `Poisoned` when this very input cannot be stored.
A verb that names an organization returns only that organization's rows.

Instants are milliseconds since 1970 of the database's clock; durations are seconds.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

from winnerr_webhooks.domain.attempt import LoggedAttempt
from winnerr_webhooks.domain.webhook import Webhook
from winnerr_webhooks.storage.activity_port import ActivityLog
from winnerr_webhooks.storage.alert_port import Alerts
from winnerr_webhooks.storage.job_port import Jobs
from winnerr_webhooks.storage.listener_port import Listeners
from winnerr_webhooks.storage.outbox import Outbox
from winnerr_webhooks.storage.rehearsal_port import Rehearsals
from winnerr_webhooks.storage.road_port import Road
from winnerr_webhooks.storage.traffic_port import TrafficLog
from winnerr_webhooks.storage.values import (
    ApiKey,
    Delivery,
    DeliveryFilter,
    DeliveryPage,
    Figures,
    Grant,
    HealthBucket,
    LogFilter,
    LogPage,
    NewWebhook,
    ReplayFilter,
    ReplayProgress,
    StoredEvent,
    WebhookChange,
    WebhookState,
)


class Webhooks(Protocol):
    """Webhooks and their secrets."""

    async def create_webhook(self, new: NewWebhook, limit: int) -> Webhook:
        """Store a webhook, live from then on. `Conflict` when the organization has `limit`.

        A webhook of the organization that has this id already is returned as it is. `Conflict` too
        when another organization has it, or it was deleted.
        """
        ...

    async def webhooks(self, organization: str) -> list[Webhook]:
        """Return all webhooks of an organization, oldest first."""
        ...

    async def webhook(self, organization: str, webhook_id: str) -> Webhook | None:
        """Return one webhook; None when it is not the organization's, or deleted."""
        ...

    async def change_webhook(
        self,
        organization: str,
        webhook_id: str,
        change: WebhookChange,
        *,
        versions: Collection[int] | None = None,
        recovery_id: str | None = None,
    ) -> Webhook | None:
        """Apply a change. `Outdated` when the webhook's version is none of `versions`.

        With `recovery_id`, also recover all `cancelled` deliveries, with a report of this id.
        """
        ...

    async def delete_webhook(
        self, organization: str, webhook_id: str, *, versions: Collection[int] | None = None
    ) -> bool:
        """Delete a webhook and its secrets; its log stays. Return False if there is none.

        `Outdated` as in `change_webhook`.
        """
        ...

    async def secrets(self, organization: str, webhook_id: str) -> tuple[str | None, str | None]:
        """Return the signing secret and the one that follows it; `NotFound` without a webhook."""
        ...

    async def set_secret(
        self, organization: str, webhook_id: str, secret: str | None, overlap_seconds: int
    ) -> int | None:
        """Set, rotate or remove (None) the secret; return when the overlap ends (ms), or None.

        If there is a secret and an overlap, the old secret keeps signing, and `secret` signs as
        well, until `overlap_seconds` from now. During an overlap, `secret` replaces the newer of
        the two.
        `NotFound` without such a webhook.
        """
        ...

    async def webhook_states(self, organization: str) -> list[WebhookState]:
        """Return how each webhook of an organization stands, in no particular order."""
        ...

    async def cancelled(self, organization: str, webhook_id: str) -> int:
        """Count deliveries (no tests) that a change of status cancelled, up to `COUNT_LIMIT`."""
        ...


class Log(Protocol):
    """What was sent, how it went, and sending it once more."""

    async def log(self, query: LogFilter) -> LogPage:
        """Return attempts by filter. A sparse search stops after 50,000 rows or 2 s, with a `next`.

        Organizations take turns at this and at every other read of theirs, so that none waits for
        all that another one reads. `Unavailable` when the turn does not come in time.
        """
        ...

    async def attempt(self, organization: str, attempt_id: str) -> LoggedAttempt | None:
        """Return one attempt, whole."""
        ...

    async def deliveries(self, query: DeliveryFilter) -> DeliveryPage:
        """Return deliveries by filter; stops early like `log`."""
        ...

    async def delivery(self, organization: str, delivery_id: str) -> Delivery | None:
        """Return one delivery, whole."""
        ...

    async def event(self, organization: str, event_id: str) -> StoredEvent | None:
        """Return one event with its deliveries."""
        ...

    async def recent_events(
        self, organization: str, names: Sequence[str] | None, last: int
    ) -> list[tuple[str, bytes]]:
        """Return id and body of an organization's last events, newest first.

        `names` are the event types (None: all). Only the newest 20,000 events of all organizations
        are looked through.
        """
        ...

    async def health(self, organization: str, since: int) -> list[HealthBucket]:
        """Return the health figures from `since` (ms) on, of every webhook of an organization."""
        ...

    async def replay(self, organization: str, delivery_id: str) -> str:
        """Request one more attempt, outside the retry schedule; return the webhook's id.

        `NotFound`, or `Conflict` (which says what to do) when the webhook is not active. A delivery
        that is being attempted right now is replayed after that attempt. The trigger of a `test`
        delivery's replay is `replay` too.
        """
        ...

    async def skip(self, organization: str, delivery_id: str) -> str:
        """Cancel a delivery that waits; return the webhook's id.

        Deliveries behind it in its order no longer wait for it. `NotFound`, or `Conflict` (which
        says what to do) when the delivery has ended, or an attempt of it is being made.
        """
        ...

    async def replay_many(self, query: ReplayFilter, *, dry_run: bool) -> int:
        """Return how many deliveries match now; unless `dry_run`, add jobs that replay them."""
        ...

    async def replay_progress(self, query: ReplayFilter) -> ReplayProgress:
        """Return what became of the replay of many that was asked for at `asked_at`."""
        ...


class SignIn(Protocol):
    """Sign-in to the settings page. Tokens are known by their SHA-256 only."""

    async def create_link(self, link: Grant, link_hash: bytes) -> None:
        """Store a one-time link."""
        ...

    async def link(self, link_hash: bytes) -> Grant | None:
        """Return what a link grants; None when it was used, has expired, or never was."""
        ...

    async def consume_link(
        self, link_hash: bytes, session_hash: bytes, session_seconds: int
    ) -> Grant | None:
        """Use a link up and start its session, in one transaction; None as in `link`.

        Of two calls that consume a link at once, one gets the session.
        """
        ...

    async def session(self, session_hash: bytes) -> Grant | None:
        """Return what a session grants; None when it ended, expired, or never was."""
        ...

    async def end_session(self, session_hash: bytes) -> None:
        """Sign out."""
        ...


class Keys(Protocol):
    """API keys. A key itself is never stored, only its SHA-256."""

    async def create_key(self, key: ApiKey, key_hash: bytes) -> None:
        """Store a key."""
        ...

    async def keys(self) -> list[ApiKey]:
        """Return all keys, revoked ones included, oldest first."""
        ...

    async def revoke_key(self, key_id: str) -> bool:
        """Revoke a key. Return False if there is no such key, or it was revoked before."""
        ...

    async def key_by_hash(self, key_hash: bytes, *, aside: bool = False) -> ApiKey | None:
        """Return the key of this SHA-256 that still works.

        `aside`: on connections that events do not wait for, for keys that may be unknown.
        """
        ...


class Housekeeping(Protocol):
    """Retention, figures, and whether the database works."""

    async def run_retention_slice(self, retention_days: int) -> int:
        """Run one slice of retention: at most 1,000 rows of each kind.

        Return how many rows were removed; 0 means that all is done.

        It removes

        - attempts older than that, except the newest 500 of each organization,
        - entries of the activity log older than that,
        - then events and deliveries that no attempt needs and that are not pending,
        - health figures older than 31 days, and idempotency entries older than 30 days,
        - links and sessions that have expired, reports of jobs after 30 days,
          rehearsals after 7 days,
        - deleted webhooks, a day later at the earliest, once none of these belongs to them.

        PostgreSQL removes attempts, deliveries and events by the day (UTC), when all of it is that
        old: one slice removes some days, and returns about how many rows they had.
        """
        ...

    async def figures(self) -> Figures:
        """Return the figures of the metrics page."""
        ...

    async def check(self) -> None:
        """Raise `Unavailable`, with the reason, if `accept` would not work now."""
        ...

    def warnings(self) -> tuple[str, ...]:
        """Return what needs attention although everything works, a sentence each; from memory."""
        ...

    async def close(self) -> None:
        """Finish the calls that were made, and close the database."""
        ...


class Storage(
    Road,
    Webhooks,
    Listeners,
    Log,
    TrafficLog,
    Jobs,
    Rehearsals,
    ActivityLog,
    Alerts,
    SignIn,
    Keys,
    Housekeeping,
    Protocol,
):
    """All of the port: what wiring opens, and hands to each user as the part it asks for."""

    @property
    def outbox(self) -> Outbox | None:
        """The events that the product emits inside its own transactions; None on SQLite."""
        ...
