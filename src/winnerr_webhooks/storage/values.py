"""The values that the verbs of the storage port take and return.

Instants are milliseconds since 1970 of the database's clock; durations are seconds.
"""

from typing import Final

import msgspec

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.attempt import LoggedAttempt
from winnerr_webhooks.domain.credentials import NO_CREDENTIALS, Auth, Credentials
from winnerr_webhooks.domain.retry import STANDARD, RetrySchedule
from winnerr_webhooks.domain.webhook import ACTIVE


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """A new webhook, all of whose fields were checked."""

    id: str
    organization: str
    url: str
    description: str | None
    events: tuple[str, ...]
    secret: str | None
    name: str | None = None
    status: str = ACTIVE
    """`active` or `paused`."""
    timeout: float | None = None
    retry_schedule: RetrySchedule = STANDARD
    credentials: Credentials = NO_CREDENTIALS
    filter: str | None = None
    rate_limit: float | None = None
    order_by: str | None = None

    def __repr__(self) -> str:
        """Without the secret."""
        return f"NewWebhook({self.id}, {self.organization})"


class WebhookChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a PATCH sets; UNSET leaves a field as it is."""

    url: str | msgspec.UnsetType = msgspec.UNSET
    events: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    status: str | msgspec.UnsetType = msgspec.UNSET
    """`active` or `paused`. Leaving `active` cancels pending deliveries by a job; entering it
    resets the streak of failures."""
    name: str | msgspec.UnsetType | None = msgspec.UNSET
    timeout: float | msgspec.UnsetType | None = msgspec.UNSET
    retry_schedule: RetrySchedule | msgspec.UnsetType = msgspec.UNSET
    headers: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    """All of them. A value `domain.credentials.MASK` keeps that of the same name."""
    auth: Auth | msgspec.UnsetType | None = msgspec.UNSET
    filter: str | msgspec.UnsetType | None = msgspec.UNSET
    rate_limit: float | msgspec.UnsetType | None = msgspec.UNSET
    order_by: str | msgspec.UnsetType | None = msgspec.UNSET

    def __repr__(self) -> str:
        """Without the headers, which are secrets."""
        return f"WebhookChange(url={self.url!r}, status={self.status!r})"


class ReplayProgress(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the deliveries of a replay of many that are not delivered yet."""

    undelivered: int
    waiting: int
    """Of these, how many have their attempt still to come."""
    failed_again: int
    """How many were attempted and failed again. The rest was not sent: its webhook was stopped."""


class LogFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which attempts, newest first."""

    organization: str
    webhook: str | None = None
    event: str | None = None
    outcome: str | None = None
    status: tuple[int, int] | None = None
    """First and last response status, inclusive."""
    trigger: str | None = None
    slower_than: float | None = None
    """Only attempts that took so many ms or more."""
    text: str | None = None
    """A case-insensitive part of request or response, URL and headers included, of the error
    message, or of an id. In JSON it is found however it is escaped."""
    since: int | None = None
    """Inclusive, ms, of the attempt's start."""
    until: int | None = None
    """Exclusive."""
    limit: int = 50
    before: str | None = None
    """An attempt id: only older ones."""
    after: str | None = None
    """An attempt id, or `ids.id_floor`: only newer ones."""

    @property
    def is_search(self) -> bool:
        """Whether many rows may have to be examined: no index has just these in order."""
        by_outcome = self.outcome is not None and (self.outcome != "failed" or bool(self.webhook))
        others = self.event or self.status or self.text or self.trigger
        return bool(others or self.slower_than is not None or by_outcome)


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

    @property
    def is_search(self) -> bool:
        """Whether many rows may have to be examined: no index has just these in order."""
        return bool(self.webhook or self.event or self.status)


MAX_ATTEMPTS: Final = 100
"""How many of the newest attempts of one delivery are read: replays can make any number."""


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
    waits_for: str | None = None
    """The delivery of its order that is to end before it; None: it is its turn, or in no order."""
    attempts: list[LoggedAttempt] = msgspec.field(default_factory=list)
    """The newest `MAX_ATTEMPTS`, oldest first; empty in a list."""
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
    asked_at: int | None = None
    """Only deliveries that had their outcome by then (ms), also of webhooks stopped since.
    A replay that fails changes neither outcome nor time, so its delivery still matches."""


class RecoveryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a recovery would do, counted before it starts."""

    count: int
    """Deliveries that did not arrive, and would be sent again."""
    arrived: int
    """Deliveries of the same webhook and time that arrived already."""
    arrived_is_partial: bool
    """Whether only the newest deliveries were examined, so that more may have arrived."""


class JobReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the deliveries that a job sends again. Each is counted once.

    Instants are ms. `since` and `until` bound the time of acceptance; None does not.
    """

    id: str
    kind: str
    """`recover`."""
    organization: str
    webhook_id: str
    requested_at: int
    since: int | None
    until: int | None
    total: int
    """Deliveries of the job: while it collects them, at least this many."""
    found: int
    """How many of these it has collected."""
    delivered: int
    failed_again: int
    """The retries were used up again."""
    not_sent: dict[str, int]
    """By reason: see `domain.delivery.NOT_SENT_REASONS`."""
    collecting: bool
    """Whether the job still collects its deliveries."""
    cancelled_at: int | None

    @property
    def status(self) -> str:
        """`running`, `done` or `cancelled`."""
        if self.cancelled_at is not None:
            return "cancelled"
        return "running" if self.collecting or self.to_come else "done"

    @property
    def to_come(self) -> int:
        """Deliveries that still wait for an attempt, or for its result."""
        done = self.delivered + self.failed_again + sum(self.not_sent.values())
        return max(self.total - done, 0)


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key; the key itself is never stored."""

    id: str
    name: str
    organization: str | None
    """If None, this is a service key, valid for every organization."""
    created_at: int
    revoked_at: int | None


class HealthBucket(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Attempts of a webhook in five minutes that took about as long, without tests."""

    webhook_id: str
    starts_at: int
    """ms; a multiple of five minutes."""
    duration_class: int
    """`domain.duration_classes.duration_class` of their time."""
    succeeded: int
    failed: int
    exhausted: int
    """Deliveries whose retries were used up."""


class PageOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a sign-in link says about the settings page that it opens."""

    path: str = ""
    """Where the link leads: what follows the page's own path."""
    return_url: str | None = None
    """The way back to the product."""
    language: str | None = None
    """A language tag (BCP 47)."""
    organization_name: str | None = None
    """Shown in place of the organization's id."""
    auto_sign_in: bool = False
    """Whether the link's page submits itself."""


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a sign-in link or a session of the settings page lets its bearer do."""

    organization: str
    role: str
    """`admin` or `viewer`."""
    user: str | None
    """The user's name, as given by the caller that made the link."""
    expires_at: int
    """ms."""
    page: PageOptions = PageOptions()


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
    """Since when (ms) all attempts have failed. If the last one succeeded, None."""
    failures: int
    """How many attempts that streak of failures has."""
    first_failure: str | None
    """The attempt that began it, if it is still in the log."""
    waiting: int
    """Pending deliveries, counted up to COUNT_LIMIT."""


COUNT_LIMIT: Final = 10_000
"""Where counts that people read stop: from there on a page shows "or more"."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures that metrics show."""

    pending: int
    oldest_pending_age: float
    """Seconds since the oldest pending delivery was accepted; 0 without one."""
    lanes: int
    """Webhooks with work waiting in the database."""
    jobs: int
    bytes: int
    """Size of the database, without its write-ahead log."""


def age(accepted_at: int | None, clock: Clock) -> float:
    """Return seconds since an instant of this clock; never negative, even if the clock is set."""
    return 0.0 if accepted_at is None else max(clock.now_ms() - accepted_at, 0) / 1000
