"""Webhooks and their secrets, on either database.

A webhook's status takes effect at once, by its epoch. Each pending delivery carries the epoch that
its webhook had when the delivery was requested. When a webhook leaves `active`, its epoch goes up
by one. From then on every row with an older epoch counts as cancelled: claims skip it, and settle
and the log treat it as cancelled. A job updates the rows afterwards.

PostgreSQL locks rows in one order: the streak of failures, the webhook, the change mark.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from msgspec import UNSET

from winnerr_webhooks.crypto import Sealer
from winnerr_webhooks.domain.errors import Conflict, NotFound, Outdated
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.domain.webhook import ACTIVE, Target, Webhook
from winnerr_webhooks.ids import delivery_id
from winnerr_webhooks.storage import recovery
from winnerr_webhooks.storage.credential_queries import change_credentials
from winnerr_webhooks.storage.database_session import Session, decoded_list
from winnerr_webhooks.storage.sealed_secrets import Secrets, check
from winnerr_webhooks.storage.settling import leave_active
from winnerr_webhooks.storage.values import NewWebhook, ReplayFilter, WebhookChange
from winnerr_webhooks.storage.webhook_columns import Edit, target_of, webhook_of

MAX_NUMBER: Final = 1 << 20
"""Webhooks that an organization can ever make: a delivery's id ends with four characters of base
32 for it."""


# --- reading --------------------------------------------------------------------------------------


async def list_webhooks(db: Session, organization: str, now: int) -> list[Webhook]:
    """Return all webhooks of an organization, oldest first."""
    rows = await db.fetch("list_webhooks", organization=organization)
    return [webhook_of(row, now) for row in rows]


async def get(db: Session, organization: str, webhook_id: str, now: int) -> Webhook | None:
    """Return one webhook."""
    row = await db.fetch_row("get_webhook", webhook=webhook_id, organization=organization)
    return None if row is None else webhook_of(row, now)


async def targets(
    db: Session, webhook_ids: Sequence[str], keyring: Sealer, now: int
) -> list[Target]:
    """Return what lanes need to send; see `Road.targets`."""
    rows = await db.fetch("get_targets", webhooks=list(webhook_ids))
    return [target_of(row, keyring, now) for row in rows]


async def changed(db: Session, since: int) -> tuple[int, list[str]]:
    """Return webhooks changed after a mark, and the new mark; see `Road.changed_webhooks`."""
    mark, ids = await db.fetch_row("changed_since", since=since)
    return mark, decoded_list(ids)


async def check_secrets(db: Session, keyring: Sealer) -> None:
    """`ConfigurationError` unless the keys open the secrets that are stored."""
    check(await db.fetch("all_secrets"), keyring)


# --- changing -------------------------------------------------------------------------------------


async def create(
    db: Session, new: NewWebhook, columns: Mapping[str, Any], limit: int, now: int
) -> Webhook:
    """Store a webhook, whose sealed `columns` are `new_columns`; see `Webhooks.create_webhook`."""
    await db.execute("lock_organization", organization=new.organization)
    count, number = await db.fetch_row("count_webhooks", organization=new.organization)
    if count >= limit or number >= MAX_NUMBER:
        raise Conflict(
            Text(
                "The organization has {count:,} webhooks, and {limit:,} are the most: delete one "
                "first.",
                count=count,
                limit=limit,
            )
        )
    await db.execute(
        "add_webhook",
        **columns,
        number=number,
        suffix=delivery_id("evt_", number).removeprefix("dlv_"),
        now=now,
    )
    if new.rate_limit is not None or new.order_by is not None:
        await db.execute("add_turn", webhook=new.id)
    await subscribe(db, new.organization, new.id, new.events)
    created = await get(db, new.organization, new.id, now)
    assert created is not None  # noqa: S101  written in this very transaction
    return created


async def made_before(db: Session, new: NewWebhook, now: int) -> Webhook | None:
    """Return the webhook that has this id already; see `Webhooks.create_webhook`."""
    await db.execute("lock_organization", organization=new.organization)
    if not await db.fetch("get_targets", webhooks=[new.id]):
        return None
    held = await get(db, new.organization, new.id, now)
    if held is None:
        raise Conflict(Text("This form was used before, and its webhook was deleted. Begin again."))
    return held


async def change(
    db: Session,
    organization: str,
    webhook_id: str,
    asked: WebhookChange,
    now: int,
    *,
    versions: Collection[int] | None = None,
    keyring: Sealer,
    recovery_id: str | None,
) -> Webhook | None:
    """Apply a change; see `Webhooks.change_webhook`. Unchanged fields are not written."""
    webhook = await lock(db, organization, webhook_id, now)
    if webhook is None:
        return None
    _check_version(webhook, versions)
    await change_credentials(db, webhook, asked, keyring, now)
    wanted = Edit.of(webhook, asked)
    if wanted != Edit.of(webhook):
        await db.execute("edit_webhook", webhook=webhook_id, now=now, **wanted.columns())
        if wanted.events != webhook.events:
            await db.execute("unsubscribe", organization=organization, webhook=webhook_id)
            await subscribe(db, organization, webhook_id, wanted.events)
        if wanted.has_turns:
            await db.execute("add_turn", webhook=webhook_id)
        if wanted.rate_limit is not None or webhook.rate_limit is not None:
            await db.execute("end_hold", webhook=webhook_id, now=now)
            await db.lower_lanes({webhook_id: 0})  # it may have waited for a turn
    status = webhook.status if asked.status is UNSET else asked.status
    if status != webhook.status:
        if status == ACTIVE:
            await _enter_active(db, webhook_id, now)
        elif webhook.status == ACTIVE:
            await leave_active(db, webhook_id, status, None, now)
        else:  # disabled, then paused
            await db.execute("relabel", webhook=webhook_id, status=status, now=now)
    changed = await get(db, organization, webhook_id, now)
    if recovery_id is not None:
        query = ReplayFilter(organization=organization, webhook=webhook_id, cancelled_only=True)
        await recovery.enqueue(db, changed, query, recovery_id, planned=0, now=now)
    return changed


async def recover(db: Session, query: ReplayFilter, report: str, *, planned: int, now: int) -> None:
    """Add a recovery; see `Jobs.recover_since`."""
    webhook = await lock(db, query.organization, query.webhook or "", now)
    if webhook is not None and await db.fetch_value("is_collecting", webhook=webhook.id):
        raise Conflict(
            Text(
                "A recovery of this webhook is beginning: wait until it has collected its "
                "deliveries."
            )
        )
    await recovery.enqueue(db, webhook, query, report, planned=planned, now=now)


async def lock(db: Session, organization: str, webhook_id: str, now: int) -> Webhook | None:
    """Return one webhook, with its streak of failures and itself locked."""
    await db.execute("lock_streaks", webhooks=[webhook_id])
    row = await db.fetch_row("lock_webhook", webhook=webhook_id, organization=organization)
    return None if row is None else webhook_of(row, now)


async def subscribe(
    db: Session, organization: str, webhook_id: str, events: tuple[str, ...]
) -> None:
    """Subscribe a webhook to these events; those that it is subscribed to stay."""
    await db.execute("subscribe", organization=organization, webhook=webhook_id, events=events)


async def _enter_active(db: Session, webhook_id: str, now: int) -> None:
    # Failures from before say nothing about the webhook as it is now.
    await db.execute("end_streaks", webhooks=[webhook_id])
    await db.execute("enter_active", webhook=webhook_id, now=now)


def _check_version(webhook: Webhook, versions: Collection[int] | None) -> None:
    if versions is not None and webhook.version not in versions:
        raise Outdated(Text("The webhook was changed since you read it. Read it again."))


async def delete(
    db: Session,
    organization: str,
    webhook_id: str,
    now: int,
    *,
    versions: Collection[int] | None = None,
) -> bool:
    """Delete a webhook: its secrets at once, its pending deliveries by a job; its log stays."""
    webhook = await lock(db, organization, webhook_id, now)
    if webhook is None:
        return False
    _check_version(webhook, versions)
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
    signing: str | None,
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
        signing=signing,
        now=now,
    )
    return new.overlap_ends_at
