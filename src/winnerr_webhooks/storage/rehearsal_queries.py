"""Rehearsals: the last events of a webhook, sent once to another URL.

Nothing of the webhook changes: a rehearsal has tables of its own. A node that runs one has it on a
lease, so that another node goes on after it died. The request it had in flight is then sent again.
"""

from collections.abc import Sequence
from typing import Any, Final

from winnerr_webhooks.domain.errors import Conflict, NotFound
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.storage.database_session import Session
from winnerr_webhooks.storage.rehearsal_port import (
    AnswerStart,
    NewRehearsal,
    Rehearsal,
    RehearsalAnswer,
    RehearsalResult,
    RehearsalStep,
)

BODY_START: Final = 1_024
"""How many bytes of an answer's body are kept and shown."""
_ATTEMPTS_EACH: Final = 10
"""For each event asked for, so many attempts are examined at most: a delivery can have several."""


async def add(db: Session, new: NewRehearsal, now: int) -> int:
    """Add a rehearsal; see `Rehearsals.add_rehearsal`."""
    values = {"organization": new.organization, "webhook": new.webhook_id, "now": now}
    await db.execute("lock_organization", **values)
    if await db.fetch_row("get_webhook", **values) is None:
        raise NotFound(f"There is no webhook {new.webhook_id}.")
    if await db.fetch_value("is_rehearsing", **values):
        raise Conflict(
            Text("A rehearsal of this organization is running: wait for it, or cancel it.")
        )
    rows = await db.fetch("last_attempts_of", **values, most=new.last * _ATTEMPTS_EACH)
    newest: dict[str, Sequence[Any]] = {}
    for row in rows:
        newest.setdefault(row[1], row)
    # The last events, oldest first; their ids are in the ids of the deliveries.
    chosen = sorted(newest.values(), key=lambda row: row[1])[-new.last :]
    if not chosen:
        return 0
    await db.execute("add_rehearsal", rehearsal=new.id, url=new.url, **values)
    for position, (attempt_id, delivery, event, attempt) in enumerate(chosen):
        await db.execute(
            "add_rehearsal_answer",
            rehearsal=new.id,
            position=position,
            delivery=delivery,
            attempt_id=attempt_id,
            event=event,
            attempt=attempt,
        )
    return len(chosen)


async def step(
    db: Session, done: RehearsalResult | None, lease_ms: int, now: int
) -> RehearsalStep | None:
    """Record an answer and return the next request; see `Rehearsals.rehearsal_step`."""
    if done is None:
        row = await db.fetch_row("free_rehearsal", now=now)
    else:
        await db.execute("put_rehearsal_answer", **_result(done), now=now)
        row = await db.fetch_row("held_rehearsal", rehearsal=done.rehearsal_id)
    if row is None:  # none is free, or this one was cancelled
        return None
    id_, organization, webhook_id, url, *_ = row
    following = await db.fetch_row("next_rehearsal_event", rehearsal=id_)
    if following is None:
        await db.execute("end_rehearsal", rehearsal=id_, now=now)
        return None
    await db.execute("lease_rehearsal", rehearsal=id_, until=now + lease_ms)
    position, delivery_id, event, attempt, body = following
    return RehearsalStep(
        rehearsal_id=id_,
        organization=organization,
        webhook_id=webhook_id,
        url=url,
        position=position,
        delivery_id=delivery_id,
        event=event,
        attempt=attempt,
        body=body,
    )


async def rehearsal(db: Session, organization: str, rehearsal_id: str) -> Rehearsal | None:
    """Return one rehearsal with its answers; None when it is not the organization's."""
    row = await db.fetch_row("get_rehearsal", rehearsal=rehearsal_id, organization=organization)
    if row is None:
        return None
    answers = await db.fetch(
        "rehearsal_answers", rehearsal=rehearsal_id, organization=organization, most=BODY_START
    )
    id_, _, webhook_id, url, requested_at, cancelled_at, ended_at = row
    return Rehearsal(
        id=id_,
        organization=organization,
        webhook_id=webhook_id,
        url=url,
        requested_at=requested_at,
        status="running" if ended_at is None else "done" if cancelled_at is None else "cancelled",
        answers=[_answer(one) for one in answers],
    )


async def cancel(db: Session, organization: str, rehearsal_id: str, now: int) -> None:
    """End a rehearsal; one that has ended stays as it is."""
    await db.execute("cancel_rehearsal", rehearsal=rehearsal_id, organization=organization, now=now)


def _result(done: RehearsalResult) -> dict[str, object]:
    start = done.answer
    return {
        "rehearsal": done.rehearsal_id,
        "position": done.position,
        "outcome": start.outcome,
        "status": start.status,
        "duration_ms": start.duration_ms,
        "error_message": start.error_message,
        "body_start": start.body[:BODY_START],
    }


def _answer(row: Sequence[Any]) -> RehearsalAnswer:
    delivery_id, attempt_id, event, *rest = row
    rehearsed, is_kept, recorded = rest[:5], rest[5], rest[6:]
    return RehearsalAnswer(
        delivery_id=delivery_id,
        attempt_id=attempt_id,
        event=event,
        rehearsed=None if rehearsed[0] is None else _answer_start(*rehearsed),
        recorded=_answer_start(*recorded) if is_kept else None,
    )


def _answer_start(
    outcome: str, status: int | None, duration_ms: float, error_message: str, body: bytes | None
) -> AnswerStart:
    """Return an answer as it is stored. On SQLite, `substr` of an empty body is NULL."""
    return AnswerStart(outcome, status, duration_ms, error_message, body or b"")
