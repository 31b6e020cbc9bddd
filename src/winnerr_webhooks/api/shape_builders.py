"""Builds the answers of the REST API (`shapes`) from the values that the storage returns."""

from typing import TypeVar

import msgspec

from winnerr_webhooks.api.problems import FieldProblem
from winnerr_webhooks.api.shapes import (
    UNSET,
    AnswerShape,
    AttemptPage,
    AttemptShape,
    AuthShape,
    DeliveryList,
    DeliveryShape,
    ErrorShape,
    EventShape,
    JobShape,
    NotSentShape,
    Payload,
    ProgressShape,
    RateLimitShape,
    RehearsalAnswerShape,
    RehearsalShape,
    RequestShape,
    ResponseShape,
    RotationShape,
    TimingsShape,
    UnsetType,
    WebhookShape,
    WebhookWithSecretShape,
)
from winnerr_webhooks.domain.attempt import LoggedAttempt
from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.domain.credentials import MASK
from winnerr_webhooks.domain.diagnosis import diagnosis_of
from winnerr_webhooks.domain.event import rfc3339, rfc3339_ms
from winnerr_webhooks.domain.webhook import Webhook
from winnerr_webhooks.management.webhook_management import Rotated, Saved
from winnerr_webhooks.storage.rehearsal_port import AnswerStart, Rehearsal
from winnerr_webhooks.storage.values import Delivery, DeliveryPage, JobReport, LogPage, StoredEvent

T = TypeVar("T")


def webhook_shape(webhook: Webhook, catalog: Catalog, secret: str | None = None) -> WebhookShape:
    """A webhook; with `secret`, the one that was just generated for it."""
    shape = WebhookShape(
        id=webhook.id,
        organization_id=webhook.organization,
        url=webhook.url,
        description=webhook.description,
        events=webhook.events,
        status=webhook.status,
        status_reason=webhook.status_reason,
        has_secret=webhook.has_secret,
        created_at=rfc3339(webhook.created_at),
        updated_at=rfc3339(webhook.updated_at),
        name=webhook.name,
        timeout=webhook.timeout,
        retry_schedule=webhook.retry_schedule,
        removed_events=catalog.without_match(webhook.events),
        headers=dict.fromkeys(webhook.header_names, MASK),
        auth=None if webhook.auth_type is None else AuthShape(type=webhook.auth_type),
        filter=msgspec.Raw((webhook.filter or "null").encode()),
        rate_limit=(
            None if webhook.rate_limit is None else RateLimitShape(per_second=webhook.rate_limit)
        ),
        ordered=webhook.order_by is not None and (webhook.order_by or True),
        signing=webhook.signing,
    )
    if secret is None:
        return shape
    return WebhookWithSecretShape(**msgspec.structs.asdict(shape), secret=secret)


def saved_shape(saved: Saved, catalog: Catalog) -> WebhookShape:
    """A webhook after it was created or changed."""
    return webhook_shape(saved.webhook, catalog, saved.secret)


def rotation_shape(rotated: Rotated) -> RotationShape:
    """The result of setting a secret."""
    ends_at = rotated.overlap_ends_at
    return RotationShape(
        overlap_ends_at=None if ends_at is None else rfc3339(ends_at),
        secret=_or_unset(rotated.secret),
        public_key=_or_unset(rotated.public_key),
    )


def attempt_shape(attempt: LoggedAttempt, timeout: float, *, whole: bool) -> AttemptShape:
    """An attempt; with headers and bodies only when `whole`.

    `timeout` is `DELIVERY_TIMEOUT` in seconds, which hints can name.
    """
    request = RequestShape(url=attempt.url)
    response = None
    if whole:
        _, _, head = attempt.request_head.partition(b"\r\n")
        request.headers = header_map(head)
        request.body = readable(attempt.request_body)
    if attempt.status is not None:
        response = ResponseShape(status=attempt.status, truncated=attempt.truncated)
        if whole:
            response.headers = header_map(attempt.response_head)
            response.body = readable(attempt.response_body)
    return AttemptShape(
        id=attempt.id,
        delivery_id=attempt.delivery_id,
        event_id=attempt.event_id,
        webhook_id=attempt.webhook_id,
        event=attempt.event,
        attempt=attempt.attempt,
        trigger=attempt.trigger,
        outcome=attempt.outcome,
        started_at=rfc3339_ms(attempt.started_at),
        duration_ms=round(attempt.duration_ms, 3),
        timings=_timings(attempt),
        request=request,
        response=response,
        error=_error(attempt, timeout),
        delivery_status=attempt.delivery_status,
        next_attempt_at=_timestamp(attempt.next_attempt_at),
    )


def attempt_page(page: LogPage, timeout: float) -> AttemptPage:
    """A page of the log."""
    return AttemptPage(
        items=[attempt_shape(item, timeout, whole=False) for item in page.items], next=page.next
    )


def delivery_shape(delivery: Delivery) -> DeliveryShape:
    """A delivery without attempts and body, as in a list."""
    return DeliveryShape(
        id=delivery.id,
        event_id=delivery.event_id,
        event=delivery.event,
        webhook_id=delivery.webhook_id,
        status=delivery.status,
        next_attempt_at=_timestamp(delivery.next_attempt_at),
        waits_for=delivery.waits_for,
    )


def whole_delivery_shape(delivery: Delivery, timeout: float) -> DeliveryShape:
    """A delivery with its attempts and its body."""
    shape = delivery_shape(delivery)
    shape.attempts = [attempt_shape(item, timeout, whole=True) for item in delivery.attempts]
    shape.body = readable(delivery.body)
    return shape


def delivery_list(page: DeliveryPage) -> DeliveryList:
    """A page of deliveries."""
    return DeliveryList(items=[delivery_shape(item) for item in page.items], next=page.next)


def event_shape(event: StoredEvent, catalog: Catalog) -> EventShape:
    """An event with its `data` exactly as receivers get it."""
    payload = msgspec.json.decode(event.body, type=Payload)
    return EventShape(
        id=event.id,
        client_id=event.client_id,
        accepted_at=rfc3339_ms(event.accepted_at),
        event=payload.event,
        timestamp=payload.timestamp,
        organization_id=payload.organization_id,
        data=payload.data,
        deliveries=[delivery_shape(item) for item in event.deliveries],
        data_errors=[
            FieldProblem(pointer=pointer, message=message)
            for pointer, message in catalog.data_errors(event.name, bytes(payload.data))
        ],
    )


def header_map(head: bytes) -> dict[str, str]:
    """Headers by name as sent. Repeated ones are joined with `, ` (RFC 9110, section 5.2)."""
    found: dict[str, str] = {}
    first_spelling: dict[str, str] = {}
    for line in head.split(b"\r\n"):
        raw_name, colon, raw_value = line.partition(b":")
        if not colon:
            continue
        name, value = readable(raw_name), readable(raw_value.strip())
        key = first_spelling.setdefault(name.lower(), name)
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found


def readable(raw: bytes) -> str:
    """Bytes as text. Invalid UTF-8 becomes U+FFFD."""
    return raw.decode("utf-8", "replace")


def _error(attempt: LoggedAttempt, timeout: float) -> ErrorShape | None:
    diagnosis = diagnosis_of(attempt, timeout)
    if diagnosis is None or attempt.error_kind is None:
        return None
    return ErrorShape(
        kind=attempt.error_kind,
        message=attempt.error_message,
        hint=f"{diagnosis.summary} {diagnosis.hint}",
    )


def _timings(attempt: LoggedAttempt) -> TimingsShape:
    timings = attempt.timings
    return TimingsShape(
        dns_ms=_ms(timings.dns_ms),
        connect_ms=_ms(timings.connect_ms),
        tls_ms=_ms(timings.tls_ms),
        first_byte_ms=_ms(timings.first_byte_ms),
        reconnected=timings.reconnected,
    )


def _or_unset(value: T | None) -> T | UnsetType:
    return UNSET if value is None else value


def _timestamp(ms: int | None) -> str | None:
    return None if ms is None else rfc3339_ms(ms)


def _ms(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def job_shape(job: JobReport, expected_seconds: int | None) -> JobShape:
    """A job, with the seconds that it will still take (None: unknown)."""
    return JobShape(
        id=job.id,
        kind=job.kind,
        webhook_id=job.webhook_id,
        status=job.status,
        requested_at=rfc3339_ms(job.requested_at),
        since=None if job.since is None else rfc3339_ms(job.since),
        until=None if job.until is None else rfc3339_ms(job.until),
        progress=ProgressShape(
            to_come=job.to_come,
            delivered=job.delivered,
            failed_again=job.failed_again,
            not_sent=[
                NotSentShape(reason=reason, count=count) for reason, count in job.not_sent.items()
            ],
        ),
        expected_seconds=expected_seconds,
    )


def rehearsal_shape(rehearsal: Rehearsal) -> RehearsalShape:
    """A rehearsal with its answers so far."""
    return RehearsalShape(
        id=rehearsal.id,
        webhook_id=rehearsal.webhook_id,
        url=rehearsal.url,
        status=rehearsal.status,
        requested_at=rfc3339_ms(rehearsal.requested_at),
        answers=[
            RehearsalAnswerShape(
                delivery_id=one.delivery_id,
                attempt_id=one.attempt_id,
                event=one.event,
                recorded=_answer_shape(one.recorded),
                rehearsed=_answer_shape(one.rehearsed),
            )
            for one in rehearsal.answers
        ],
    )


def _answer_shape(answer: AnswerStart | None) -> AnswerShape | None:
    if answer is None:
        return None
    return AnswerShape(
        outcome=answer.outcome,
        status=answer.status,
        duration_ms=answer.duration_ms,
        error=answer.error_message or None,
        body=answer.body.decode("utf-8", "replace"),
    )
