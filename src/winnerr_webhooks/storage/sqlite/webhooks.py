"""Webhooks, their secrets, and what lanes read of both."""

from collections.abc import Sequence
from typing import Any

import msgspec

from winnerr_webhooks.crypto import Sealer
from winnerr_webhooks.domain.webhook import ACTIVE, Target, Webhook
from winnerr_webhooks.storage.secrets import Secrets, check
from winnerr_webhooks.storage.sqlite import jobs, status
from winnerr_webhooks.storage.sqlite.connection import Connection
from winnerr_webhooks.storage.sqlite.rows import as_json
from winnerr_webhooks.storage.values import NewWebhook, ReplayFilter, WebhookChange
from winnerr_webhooks.storage.webhook_rows import (
    Wanted,
    check_room,
    no_webhook,
    target_of,
    webhook_of,
)

_NAMES = msgspec.json.Decoder(tuple[str, ...])
_IDS = msgspec.json.Decoder(list[str])


def _webhook(row: Sequence[Any], now: int) -> Webhook:
    events: tuple[str, ...] = _NAMES.decode(row[4])
    return webhook_of((*row[:4], events, *row[5:]), now)


def create(db: Connection, new: NewWebhook, secret: bytes | None, limit: int, now: int) -> Webhook:
    """Store a webhook; see `Storage.create_webhook`."""
    count, number = db.row("count_webhooks", (new.organization,))
    check_room(count, number, limit)
    values = {
        "id": new.id,
        "organization": new.organization,
        "number": number,
        "url": new.url,
        "description": new.description,
        "events": as_json(new.events),
        "secret": secret,
        "now": now,
    }
    db.run("add_webhook", values)
    _subscribe(db, new.organization, new.id, new.events)
    return _must(get(db, new.organization, new.id, now))


def _subscribe(db: Connection, organization: str, webhook_id: str, events: tuple[str, ...]) -> None:
    values = {"organization": organization, "id": webhook_id}
    db.run("unsubscribe", values)
    db.run("subscribe", values | {"events": as_json(events)})


def all_of(db: Connection, organization: str, now: int) -> list[Webhook]:
    """All webhooks of an organization, oldest first."""
    return [_webhook(row, now) for row in db.rows("list_webhooks", (organization,))]


def get(db: Connection, organization: str, webhook_id: str, now: int) -> Webhook | None:
    """One webhook."""
    row = db.row("get_webhook", (webhook_id, organization))
    return None if row is None else _webhook(row, now)


def change(
    db: Connection,
    organization: str,
    webhook_id: str,
    asked: WebhookChange,
    now: int,
    *,
    replay_cancelled: bool,
) -> Webhook | None:
    """Apply a change; see `Storage.change_webhook`. What is as wanted already changes nothing."""
    webhook = get(db, organization, webhook_id, now)
    if webhook is None:
        return None
    wanted = Wanted.of(webhook, asked)
    if wanted.edits(webhook):
        values = {
            "id": webhook_id,
            "url": wanted.url,
            "description": wanted.description,
            "events": as_json(wanted.events),
            "now": now,
        }
        db.run("edit_webhook", values)
        if wanted.events != webhook.events:
            _subscribe(db, organization, webhook_id, wanted.events)
    if wanted.status != webhook.status:
        if wanted.status == ACTIVE:
            status.enter_active(db, webhook_id, now)
        elif webhook.status == ACTIVE:
            status.leave_active(db, webhook_id, wanted.status, None, now)
        else:
            status.relabel(db, webhook_id, wanted.status, now)
    if replay_cancelled:
        query = ReplayFilter(organization=organization, webhook=webhook_id, cancelled_only=True)
        jobs.enqueue(db, query, now)
    return get(db, organization, webhook_id, now)


def _must(webhook: Webhook | None) -> Webhook:
    assert webhook is not None  # noqa: S101  written in this very transaction
    return webhook


def delete(db: Connection, organization: str, webhook_id: str, now: int) -> bool:
    """Delete a webhook; see `Storage.delete_webhook`."""
    if get(db, organization, webhook_id, now) is None:
        return False
    status.end(db, organization, webhook_id, now)
    return True


def secrets(db: Connection, organization: str, webhook_id: str, now: int) -> Secrets:
    """The sealed secrets; `NotFound` without such a webhook."""
    row = db.row("get_secrets", (webhook_id, organization))
    if row is None:
        raise no_webhook(webhook_id)
    signing, following, ends_at = row
    return Secrets.now(signing, following, ends_at, now)


def set_secret(
    db: Connection,
    organization: str,
    webhook_id: str,
    secret: bytes | None,
    *,
    overlap_seconds: int,
    now: int,
) -> int | None:
    """Set, rotate or remove the secret; see `Storage.set_secret`."""
    held = secrets(db, organization, webhook_id, now)
    new = held.replaced(secret, overlap_seconds=overlap_seconds, now=now)
    values = {
        "id": webhook_id,
        "secret": new.signing,
        "next_secret": new.following,
        "overlap_ends_at": new.overlap_ends_at,
        "now": now,
    }
    db.run("put_secrets", values)
    return new.overlap_ends_at


def targets(db: Connection, webhook_ids: Sequence[str], keyring: Sealer, now: int) -> list[Target]:
    """What lanes need to send; see `Storage.targets`."""
    rows = db.rows("get_targets", (as_json(list(webhook_ids)),))
    return [target_of(row, keyring, now) for row in rows]


def changed(db: Connection, since: int) -> tuple[int, list[str]]:
    """Webhooks changed after a mark; see `Storage.changed_webhooks`."""
    mark: int = db.row("change_mark")[0]
    if not since:
        return mark, []
    return mark, _IDS.decode(db.row("changed_since", (since,))[0])


def check_secrets(db: Connection, keyring: Sealer) -> None:
    """See that each key that sealed a secret is there; `ConfigurationError` when one is not."""
    check(db.rows("all_secrets"), keyring)
