"""Webhooks, their secrets, and what lanes read of both."""

from collections.abc import Sequence

from winnerr_webhooks.crypto import Sealer
from winnerr_webhooks.domain.webhook import ACTIVE, Target, Webhook
from winnerr_webhooks.ids import delivery_id
from winnerr_webhooks.storage.postgres import jobs, status
from winnerr_webhooks.storage.postgres.database import Session
from winnerr_webhooks.storage.postgres.text import storable
from winnerr_webhooks.storage.secrets import Secrets, check
from winnerr_webhooks.storage.values import NewWebhook, ReplayFilter, WebhookChange
from winnerr_webhooks.storage.webhook_rows import (
    Wanted,
    check_room,
    no_webhook,
    target_of,
    webhook_of,
)


async def create(
    db: Session, new: NewWebhook, secret: bytes | None, limit: int, now: int
) -> Webhook:
    """Store a webhook; see `Storage.create_webhook`."""
    await db.rows("lock_organization", new.organization)
    count, number = await db.row("count_webhooks", new.organization)
    check_room(count, number, limit)
    await db.run(
        "add_webhook",
        new.id,
        new.organization,
        number,
        _suffix(number),
        new.url,
        storable(new.description),
        list(new.events),
        secret,
        now,
    )
    await db.run("subscribe", new.organization, new.id, list(new.events))
    return webhook_of(await db.row("get_webhook", new.id, new.organization), now)


def _suffix(number: int) -> str:
    """How the ids of a webhook's deliveries end: see `ids.delivery_id`."""
    return delivery_id("evt_", number).removeprefix("dlv_")


async def all_of(db: Session, organization: str, now: int) -> list[Webhook]:
    """All webhooks of an organization, oldest first."""
    return [webhook_of(row, now) for row in await db.rows("list_webhooks", organization)]


async def get(db: Session, organization: str, webhook_id: str, now: int) -> Webhook | None:
    """One webhook."""
    row = await db.row("get_webhook", storable(webhook_id), organization)
    return None if row is None else webhook_of(row, now)


async def _lock(db: Session, organization: str, webhook_id: str, now: int) -> Webhook | None:
    """One webhook, its run of failures and itself locked."""
    await db.rows("lock_runs", [storable(webhook_id)])
    row = await db.row("lock_own_webhook", storable(webhook_id), organization)
    return None if row is None else webhook_of(row, now)


async def change(
    db: Session,
    organization: str,
    webhook_id: str,
    asked: WebhookChange,
    now: int,
    *,
    replay_cancelled: bool,
) -> Webhook | None:
    """Apply a change; see `Storage.change_webhook`. What is as wanted already changes nothing."""
    webhook = await _lock(db, organization, webhook_id, now)
    if webhook is None:
        return None
    wanted = Wanted.of(webhook, asked)
    if wanted.edits(webhook):
        values = (wanted.url, storable(wanted.description), list(wanted.events))
        await db.run("edit_webhook", webhook_id, now, *values)
        if wanted.events != webhook.events:
            await db.run("unsubscribe", organization, webhook_id)
            await db.run("subscribe", organization, webhook_id, list(wanted.events))
    if wanted.status != webhook.status:
        if wanted.status == ACTIVE:
            await status.enter_active(db, webhook_id, now)
        elif webhook.status == ACTIVE:
            await status.leave_active(db, webhook_id, wanted.status, None, now)
        else:
            await status.relabel(db, webhook_id, wanted.status, now)
    if replay_cancelled:
        query = ReplayFilter(organization=organization, webhook=webhook_id, cancelled_only=True)
        await jobs.enqueue(db, query, now)
    return await get(db, organization, webhook_id, now)


async def delete(db: Session, organization: str, webhook_id: str, now: int) -> bool:
    """Delete a webhook; see `Storage.delete_webhook`."""
    if await _lock(db, organization, webhook_id, now) is None:
        return False
    await status.end(db, organization, webhook_id, now)
    return True


async def secrets(
    db: Session, organization: str, webhook_id: str, now: int, *, lock: bool = False
) -> Secrets:
    """The sealed secrets; `NotFound` without such a webhook."""
    statement = "lock_secrets" if lock else "get_secrets"
    row = await db.row(statement, storable(webhook_id), organization)
    if row is None:
        raise no_webhook(webhook_id)
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
    """Set, rotate or remove the secret; see `Storage.set_secret`."""
    held = await secrets(db, organization, webhook_id, now, lock=True)
    new = held.replaced(secret, overlap_seconds=overlap_seconds, now=now)
    await db.run("put_secrets", webhook_id, now, *new)
    return new.overlap_ends_at


async def targets(
    db: Session, webhook_ids: Sequence[str], keyring: Sealer, now: int
) -> list[Target]:
    """What lanes need to send; see `Storage.targets`."""
    rows = await db.rows("get_targets", list(webhook_ids))
    return [target_of(row, keyring, now) for row in rows]


async def changed(db: Session, since: int) -> tuple[int, list[str]]:
    """Webhooks changed after a mark; see `Storage.changed_webhooks`. One statement."""
    mark, ids = await db.row("changed_since", since)
    return mark, ids


async def check_secrets(db: Session, keyring: Sealer) -> None:
    """See that each key that sealed a secret is there; `ConfigurationError` when one is not."""
    check(await db.rows("all_secrets"), keyring)
