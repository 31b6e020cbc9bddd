"""Job reports: what became of the deliveries that a job sends again.

A delivery is counted once, in the transaction in which it leaves `pending`, so that the figures
stay exact whenever a node dies. The table `job_count` has a row for each report, outcome and node.
A transaction adds to its rows last: nobody who holds one waits for another lock.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from winnerr_webhooks.domain.delivery import CANCELLED, DELIVERED, FAILED, NOT_SENT_REASONS
from winnerr_webhooks.domain.errors import NotFound
from winnerr_webhooks.domain.webhook import ACTIVE, PAUSED
from winnerr_webhooks.storage.database_session import Session
from winnerr_webhooks.storage.values import JobReport

FOUND: Final = "found"
"""The outcome of a delivery that is pending again: counted beside its later one."""
LATE: Final = "late"
"""A delivery that was counted as not sent, though an attempt of it was under way and succeeded."""
STOPPED: Final = "stopped"
UNSUBSCRIBED: Final = "unsubscribed"

JobCounts = Counter[tuple[str, str]]
"""How many deliveries to add, by report and outcome."""


def reason_of(webhook_status: str) -> str:
    """Return why a webhook that has left `active` gets nothing; it may be active again."""
    return PAUSED if webhook_status == ACTIVE else webhook_status


def count_settled(counts: JobCounts, job: str, status: str, webhook_status: str) -> None:
    """Count a delivery that leaves `pending` with this status."""
    outcome = status if status in (DELIVERED, FAILED) else reason_of(webhook_status)
    counts[job, outcome] += 1


def count_late(counts: JobCounts, job: str, before: str, after: str) -> None:
    """Correct the figures if a delivery that was counted before is now delivered after all."""
    if after == DELIVERED and before in (FAILED, CANCELLED):
        counts[job, DELIVERED] += 1
        if before == FAILED:
            counts[job, FAILED] -= 1
        else:
            counts[job, LATE] += 1


async def add_counts(db: Session, counts: JobCounts, node: str = "") -> None:
    """Add to the figures of reports; the last statement of a transaction."""
    rows = [(*key, counts[key]) for key in sorted(counts) if counts[key]]
    await db.execute_many("add_job_counts", rows, node=node)


async def reports(
    db: Session, organization: str, webhook: str | None, limit: int
) -> list[JobReport]:
    """Return the newest reports of an organization, newest first."""
    rows = await db.fetch("list_reports", organization=organization, webhook=webhook, limit=limit)
    return await _with_counts(db, rows)


async def report(db: Session, organization: str, report_id: str) -> JobReport | None:
    """Return one report; None when it is not the organization's."""
    row = await db.fetch_row("get_report", report=report_id, organization=organization)
    found = await _with_counts(db, [] if row is None else [row])
    return found[0] if found else None


async def cancel(db: Session, organization: str, report_id: str, now: int) -> JobReport:
    """Stop what a job has not sent yet; see `Jobs.cancel_job`."""
    row = await db.fetch_row("lock_report", report=report_id, organization=organization)
    if row is None:
        raise NotFound(f"There is no job {report_id}.")
    (held,) = await _with_counts(db, [row])
    if held.cancelled_at is None and held.to_come:
        await db.execute("cancel_report", report=report_id, now=now)
        await db.execute("add_stop_job", report=report_id, now=now)
    found = await report(db, organization, report_id)
    assert found is not None  # noqa: S101  locked above
    return found


async def _with_counts(db: Session, rows: Sequence[Any]) -> list[JobReport]:
    counted: dict[str, dict[str, int]] = {}
    if rows:
        for id_, outcome, count in await db.fetch("counts_of", reports=[row[0] for row in rows]):
            counted.setdefault(id_, {})[outcome] = count
    return [_report(row, counted.get(row[0], {})) for row in rows]


def _report(row: Sequence[Any], counts: dict[str, int]) -> JobReport:
    id_, kind, organization, webhook_id, requested_at, since, until, planned, *ends = row
    collected_at, cancelled_at = ends
    left = counts.get(LATE, 0)
    not_sent = {}
    for reason in NOT_SENT_REASONS:
        corrected = min(left, counts.get(reason, 0))
        left -= corrected
        if count := counts.get(reason, 0) - corrected:
            not_sent[reason] = count
    found = counts.get(FOUND, 0)
    return JobReport(
        id=id_,
        kind=kind,
        organization=organization,
        webhook_id=webhook_id,
        requested_at=requested_at,
        since=since,
        until=until,
        total=max(found, planned) if collected_at is None else found,
        found=found,
        delivered=counts.get(DELIVERED, 0),
        failed_again=counts.get(FAILED, 0),
        not_sent=not_sent,
        collecting=collected_at is None,
        cancelled_at=cancelled_at,
    )
