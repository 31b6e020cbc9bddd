"""Webhooks and their secrets, on either database.

A webhook's status takes effect at once, by its epoch. Each pending delivery carries the epoch that
its webhook had when the delivery was requested. When a webhook leaves `active`, its epoch goes up
by one. From then on every row with an older epoch counts as cancelled: claims skip it, and settle
and the log treat it as cancelled. A job updates the rows afterwards.

PostgreSQL locks rows in one order: the streak of failures, the webhook, the change mark.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from msgspec import UNSET
from msgspec.structs import asdict

from winnerr_webhooks.crypto import Sealer
from winnerr_webhooks.domain.errors import Conflict, NotFound
from winnerr_webhooks.domain.webhook import ACTIVE, Target, Webhook
from winnerr_webhooks.ids import delivery_id
from winnerr_webhooks.storage import recovery
from winnerr_webhooks.storage.database_session import Session, decoded_list, struct_of
from winnerr_webhooks.storage.sealed_secrets import Secrets, check, opened
from winnerr_webhooks.storage.settling import leave_active
from winnerr_webhooks.storage.values import NewWebhook, ReplayFilter, WebhookChange

MAX_NUMBER: Final = 1 << 20
"""Webhooks that an organization can ever make: a delivery's id ends with four characters of base
32 for it."""


# --- reading --------------------------------------------------------------------------------------


async def list_webhooks(db: Session, organization: str, now: int) -> list[Webhook]:
    """Return all webhooks of an organization, oldest first."""
    rows = await db.fetch("list_webhooks", organization=organization)
    return [_webhook(row, now) for row in rows]


async def get(db: Session, organization: str, webhook_id: str, now: int) -> Webhook | None:
    """Return one webhook."""
    row = await db.fetch_row("get_webhook", webhook=webhook_id, organization=organization)
    return None if row is None else _webhook(row, now)


async def targets(
    db: Session, webhook_ids: Sequence[str], keyring: Sealer, now: int
) -> list[Target]:
    """Return what lanes need to send; see `Road.targets`."""
    rows = await db.fetch("get_targets", webhooks=list(webhook_ids))
    return [_target(row, keyring, now) for row in rows]


async def changed(db: Session, since: int) -> tuple[int, list[str]]:
    """Return webhooks changed after a mark, and the new mark; see `Road.changed_webhooks`."""
    mark, ids = await db.fetch_row("changed_since", since=since)
    return mark, decoded_list(ids)


async def check_secrets(db: Session, keyring: Sealer) -> None:
    """`ConfigurationError` unless the keys open the secrets that are stored."""
    check(await db.fetch("all_secrets"), keyring)


def _webhook(row: Sequence[Any], now: int) -> Webhook:
    webhook = struct_of(Webhook, row)
    webhook.events = tuple(decoded_list(webhook.events))
    webhook.has_secret = bool(webhook.has_secret)
    if (webhook.overlap_ends_at or 0) <= now:
        webhook.overlap_ends_at = None
    return webhook


def _target(row: Sequence[Any], keyring: Sealer, now: int) -> Target:
    webhook_id, organization, version, url, status, signing, following, ends_at, by_listener = row
    held = Secrets.now(signing, following, ends_at, now)
    return Target(
        webhook_id=webhook_id,
        organization=organization,
        version=version,
        url=url,
        status=status,
        secret=opened(keyring, held.signing, webhook_id),
        next_secret=opened(keyring, held.following, webhook_id),
        overlap_ends_at=held.overlap_ends_at,
        by_listener=bool(by_listener),
    )


# --- changing -------------------------------------------------------------------------------------


async def create(
    db: Session, new: NewWebhook, secret: bytes | None, limit: int, now: int
) -> Webhook:
    """Store a webhook; see `Webhooks.create_webhook`."""
    await db.execute("lock_organization", organization=new.organization)
    count, number = await db.fetch_row("count_webhooks", organization=new.organization)
    if count >= limit or number >= MAX_NUMBER:
        raise Conflict(
            f"The organization has {count} webhooks, and {limit} are the most: delete one first."
        )
    await db.execute(
        "add_webhook",
        **asdict(new) | {"secret": secret},
        number=number,
        suffix=delivery_id("evt_", number).removeprefix("dlv_"),
        now=now,
    )
    await subscribe(db, new.organization, new.id, new.events)
    created = await get(db, new.organization, new.id, now)
    assert created is not None  # noqa: S101  written in this very transaction
    return created


async def change(
    db: Session,
    organization: str,
    webhook_id: str,
    asked: WebhookChange,
    now: int,
    *,
    recovery_id: str | None,
) -> Webhook | None:
    """Apply a change; see `Webhooks.change_webhook`. Unchanged fields are not written."""
    webhook = await _lock(db, organization, webhook_id, now)
    if webhook is None:
        return None
    wanted = _Wanted.of(webhook, asked)
    if wanted.edits(webhook):
        await db.execute("edit_webhook", webhook=webhook_id, now=now, **wanted._asdict())
        if wanted.events != webhook.events:
            await db.execute("unsubscribe", organization=organization, webhook=webhook_id)
            await subscribe(db, organization, webhook_id, wanted.events)
    if wanted.status != webhook.status:
        if wanted.status == ACTIVE:
            await _enter_active(db, webhook_id, now)
        elif webhook.status == ACTIVE:
            await leave_active(db, webhook_id, wanted.status, None, now)
        else:  # disabled, then paused
            await db.execute("relabel", webhook=webhook_id, status=wanted.status, now=now)
    changed = await get(db, organization, webhook_id, now)
    if recovery_id is not None:
        query = ReplayFilter(organization=organization, webhook=webhook_id, cancelled_only=True)
        await recovery.enqueue(db, changed, query, recovery_id, planned=0, now=now)
    return changed


async def recover(db: Session, query: ReplayFilter, report: str, *, planned: int, now: int) -> None:
    """Add a recovery; see `Jobs.recover_since`."""
    webhook = await _lock(db, query.organization, query.webhook or "", now)
    if webhook is not None and await db.fetch_value("is_collecting", webhook=webhook.id):
        raise Conflict(
            "A recovery of this webhook is beginning: wait until it has collected its deliveries."
        )
    await recovery.enqueue(db, webhook, query, report, planned=planned, now=now)


class _Wanted(NamedTuple):
    """A webhook's fields after a change."""

    url: str
    description: str | None
    events: tuple[str, ...]
    status: str

    @classmethod
    def of(cls, webhook: Webhook, change: WebhookChange) -> "_Wanted":
        """Fields that a change leaves out stay as they are."""
        return cls(
            webhook.url if change.url is UNSET else change.url,
            webhook.description if change.description is UNSET else change.description,
            webhook.events if change.events is UNSET else change.events,
            webhook.status if change.status is UNSET else change.status,
        )

    def edits(self, webhook: Webhook) -> bool:
        """Return whether anything but the status changes."""
        return (self.url, self.description, self.events) != (
            webhook.url,
            webhook.description,
            webhook.events,
        )


async def _lock(db: Session, organization: str, webhook_id: str, now: int) -> Webhook | None:
    """Return one webhook, with its streak of failures and itself locked."""
    await db.execute("lock_streaks", webhooks=[webhook_id])
    row = await db.fetch_row("lock_webhook", webhook=webhook_id, organization=organization)
    return None if row is None else _webhook(row, now)


async def subscribe(
    db: Session, organization: str, webhook_id: str, events: tuple[str, ...]
) -> None:
    """Subscribe a webhook to these events; those that it is subscribed to stay."""
    await db.execute("subscribe", organization=organization, webhook=webhook_id, events=events)


async def _enter_active(db: Session, webhook_id: str, now: int) -> None:
    # Failures from before say nothing about the webhook as it is now.
    await db.execute("end_streaks", webhooks=[webhook_id])
    await db.execute("enter_active", webhook=webhook_id, now=now)


async def delete(db: Session, organization: str, webhook_id: str, now: int) -> bool:
    """Delete a webhook: its secrets at once, its pending deliveries by a job; its log stays."""
    if await _lock(db, organization, webhook_id, now) is None:
        return False
    await db.execute("end_streaks", webhooks=[webhook_id])
    await db.execute("unsubscribe", organization=organization, webhook=webhook_id)
    await db.execute("drop_lanes", webhooks=[webhook_id])
    await db.execute("end_webhook", webhook=webhook_id, now=now)
    await db.execute("add_cancel_job", webhook=webhook_id)
    return True


# --- secrets --------------------------------------------------------------------------------------


async def secrets(
    db: Session, organization: str, webhook_id: str, now: int, *, lock: bool = False
) -> Secrets:
    """Return the sealed secrets; `NotFound` without such a webhook."""
    row = await db.fetch_row(
        "lock_secrets" if lock else "get_secrets", webhook=webhook_id, organization=organization
    )
    if row is None:
        raise NotFound(f"There is no webhook {webhook_id}.")
    signing, following, ends_at = row
    return Secrets.now(signing, following, ends_at, now)


async def set_secret(
    db: Session,
    organization: str,
    webhook_id: str,
    secret: bytes | None,
    *,
    overlap_seconds: int,
    now: int,
) -> int | None:
    """Set, rotate or remove the secret; see `Webhooks.set_secret`."""
    held = await secrets(db, organization, webhook_id, now, lock=True)
    new = held.replaced(secret, overlap_seconds=overlap_seconds, now=now)
    await db.execute(
        "put_secrets",
        webhook=webhook_id,
        secret=new.signing,
        next_secret=new.following,
        overlap_ends_at=new.overlap_ends_at,
        now=now,
    )
    return new.overlap_ends_at
