"""The types of the answers of the REST API. Their docstrings appear in the OpenAPI document."""

from typing import Annotated, Any

import msgspec

from winnerr_webhooks.api.problems import FieldProblem
from winnerr_webhooks.domain.attempt import ERROR_KINDS
from winnerr_webhooks.domain.credentials import AUTH_TYPES
from winnerr_webhooks.domain.delivery import NOT_SENT_REASONS
from winnerr_webhooks.domain.ed25519_keys import SIGNING_KINDS

UNSET = msgspec.UNSET
UnsetType = msgspec.UnsetType


def _one_of(*words: str) -> msgspec.Meta:
    return msgspec.Meta(extra_json_schema={"enum": list(words)})


Time = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
Signing = Annotated[str, _one_of(*SIGNING_KINDS)]
AuthType = Annotated[str, _one_of(*AUTH_TYPES)]
WebhookStatus = Annotated[str, _one_of("active", "paused", "disabled")]
DeliveryStatus = Annotated[str, _one_of("pending", "delivered", "failed", "cancelled")]
Trigger = Annotated[str, _one_of("automatic", "replay", "test", "listen")]
Outcome = Annotated[str, _one_of("succeeded", "failed")]
JobKind = Annotated[str, _one_of("recover")]
JobStatus = Annotated[str, _one_of("running", "done", "cancelled")]
NotSentReason = Annotated[str, _one_of(*NOT_SENT_REASONS)]
ErrorKind = Annotated[str, _one_of(*ERROR_KINDS)]


class Shape(msgspec.Struct, kw_only=True, rename="camel", gc=False):
    """Base of all answers: names are in camelCase, and fields that are UNSET are left out."""


class AuthShape(Shape):
    """How a webhook authenticates to its receiver. Its credentials are never shown."""

    type: AuthType


class RateLimitShape(Shape):
    """How many attempts a webhook allows, over all nodes together."""

    per_second: float


class WebhookShape(Shape):
    """A webhook."""

    id: str
    organization_id: str
    url: str
    description: str | None
    events: tuple[str, ...]
    status: WebhookStatus
    status_reason: str | None
    has_secret: bool
    created_at: Time
    updated_at: Time
    name: str | None
    timeout: float | None
    """Seconds for one whole attempt; null: the service's own limit."""
    retry_schedule: str | tuple[float, ...]
    """`standard` (the service's own), `long`, or the seconds before each retry."""
    removed_events: tuple[str, ...]
    """Those of `events` that match no event type any more: no new events come of them."""
    headers: dict[str, str]
    """By name. Their values are never shown: each is `•••`."""
    auth: AuthShape | None
    filter: msgspec.Raw
    """Which events it gets, by their payload; null: all that it subscribes to."""
    rate_limit: RateLimitShape | None
    """Null: as many attempts as the receiver takes."""
    ordered: bool | str
    """Whether deliveries are sent in the order of acceptance; a path: so for each of its values."""
    signing: Signing
    """How its requests are signed, if they are."""


class WebhookWithSecretShape(WebhookShape):
    """A new webhook with the secret that was generated for it."""

    secret: str


class WebhookList(Shape):
    """An organization's webhooks, oldest first."""

    items: list[WebhookShape]


class FilterTestShape(Shape):
    """How many of the last events were tested and match, and ids of the newest that do."""

    tested: int
    matched: int
    examples: tuple[str, ...]


class SecretShape(Shape):
    """A webhook's secret."""

    secret: str


class PublicKeyShape(Shape):
    """The public key of a webhook that signs with Ed25519."""

    public_key: str
    """`whpk_` and base64. The private key is never shown."""


class RotationShape(Shape):
    """The result of setting a secret."""

    overlap_ends_at: Time | None
    secret: str | UnsetType = UNSET
    """Only when this call generated it."""
    public_key: str | UnsetType = UNSET
    """Only when the webhook signs with Ed25519."""


class DeliveryStarted(Shape):
    """The delivery that will be attempted."""

    delivery_id: str


class TimingsShape(Shape):
    """Milliseconds of each phase. Null: the phase did not happen, as on a reused connection."""

    dns_ms: float | None
    connect_ms: float | None
    tls_ms: float | None
    first_byte_ms: float | None
    reconnected: bool


class RequestShape(Shape):
    """The request as sent. Lists leave out headers and body."""

    url: str
    headers: dict[str, str] | UnsetType = UNSET
    body: str | UnsetType = UNSET


class ResponseShape(Shape):
    """The response as received, up to 16 KiB of its body. Lists leave out headers and body."""

    status: int
    truncated: bool
    headers: dict[str, str] | UnsetType = UNSET
    body: str | UnsetType = UNSET


class ErrorShape(Shape):
    """What went wrong, and what to do about it."""

    kind: ErrorKind
    message: str
    hint: str


class AttemptShape(Shape):
    """One HTTP request of a delivery."""

    id: str
    delivery_id: str
    event_id: str
    webhook_id: str
    event: str
    attempt: int
    trigger: Trigger
    outcome: Outcome
    started_at: Time
    duration_ms: float
    timings: TimingsShape
    request: RequestShape
    response: ResponseShape | None
    error: ErrorShape | None
    delivery_status: DeliveryStatus
    next_attempt_at: Time | None


class AttemptPage(Shape):
    """Attempts, newest first. Pass `next` as `before` to get the following page."""

    items: list[AttemptShape]
    next: str | None


class DeliveryShape(Shape):
    """One event for one webhook. Lists leave out attempts and body."""

    id: str
    event_id: str
    event: str
    webhook_id: str
    status: DeliveryStatus
    next_attempt_at: Time | None
    waits_for: str | None
    """The delivery of its order that is to end before it; null: none."""
    attempts: list[AttemptShape] | UnsetType = UNSET
    """The newest 100, oldest first."""
    body: str | UnsetType = UNSET


class DeliveryList(Shape):
    """Deliveries, the last accepted first. Pass `next` as `before` to get the following page."""

    items: list[DeliveryShape]
    next: str | None


class Payload(Shape):
    """The body that receivers get."""

    event: str
    timestamp: Time
    organization_id: str
    data: msgspec.Raw


class EventShape(Shape):
    """An accepted event with its deliveries. `clientId` is the `id` that its sender gave it."""

    id: str
    client_id: str | None
    accepted_at: Time
    event: str
    timestamp: Time
    organization_id: str
    data: msgspec.Raw
    deliveries: list[DeliveryShape]
    data_errors: list[FieldProblem]
    """Why the event type's schema does not allow `data`, with VALIDATE_DATA=warn or reject."""


class EventTypeShape(Shape):
    """An event type with a complete example payload."""

    name: str
    description: str
    example: msgspec.Raw
    schema: dict[str, Any] | None
    """The JSON Schema (2020-12) of `data`."""
    deprecated: str | None
    """A sentence that says what to use instead."""


class CategoryShape(Shape):
    """The event types of one category."""

    category: str
    events: list[EventTypeShape]


class CatalogShape(Shape):
    """All event types, by category."""

    items: list[CategoryShape]


class EgressShape(Shape):
    """Where this service's requests come from."""

    addresses: list[str]
    """Networks (CIDR) that a receiver's firewall should let in; empty if the product names none."""


class ReplayedShape(Shape):
    """How many deliveries are replayed, or would be (`dryRun`)."""

    count: int
    dry_run: bool


class ListenerShape(Shape):
    """A listener that is open."""

    id: str
    organization_id: str
    events: tuple[str, ...]
    secret: str | None
    """What signs its requests; null: they are not signed."""
    timeout: float
    """`DELIVERY_TIMEOUT`: seconds that the local receiver has to answer."""


class RecoveryShape(Shape):
    """What a recovery sends again, or would (`dryRun`).

    `count` deliveries did not arrive; `arrived` of the same time arrived already, or at least so
    many if `arrivedIsPartial`. `expectedSeconds` is null when it is unknown, and `jobId` is null
    when nothing is sent.
    """

    count: int
    arrived: int
    arrived_is_partial: bool
    expected_seconds: int | None
    job_id: str | None
    dry_run: bool


class NotSentShape(Shape):
    """Deliveries that a job does not send, and why."""

    reason: NotSentReason
    count: int


class ProgressShape(Shape):
    """What became of a job's deliveries. Each is counted in one of these figures."""

    to_come: int
    delivered: int
    failed_again: int
    not_sent: list[NotSentShape]


class JobShape(Shape):
    """A job that sends deliveries again. `expectedSeconds` is null when it is unknown."""

    id: str
    kind: JobKind
    webhook_id: str
    status: JobStatus
    requested_at: Time
    since: Time | None
    until: Time | None
    progress: ProgressShape
    expected_seconds: int | None


class JobList(Shape):
    """The newest jobs, newest first."""

    items: list[JobShape]


class AnswerShape(Shape):
    """How a receiver answered. `body` is the beginning of its response's body."""

    outcome: Outcome
    status: int | None
    duration_ms: float
    error: str | None
    body: str


class RehearsalAnswerShape(Shape):
    """One event of a rehearsal. `rehearsed` is null while it is to come."""

    delivery_id: str
    attempt_id: str
    event: str
    recorded: AnswerShape | None
    rehearsed: AnswerShape | None


class RehearsalShape(Shape):
    """A rehearsal with its answers, in the order of the requests, oldest event first."""

    id: str
    webhook_id: str
    url: str
    status: JobStatus
    requested_at: Time
    answers: list[RehearsalAnswerShape]


class LinkShape(Shape):
    """A one-time link into the settings page."""

    url: str
    expires_at: Time
