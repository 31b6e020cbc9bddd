"""Changes of webhooks and their secrets, each with its entry in the activity log.

Both are written in one transaction. `webhook_queries` makes the changes.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import asdict

from winnerr_webhooks.crypto import Sealer
from winnerr_webhooks.domain import activity
from winnerr_webhooks.domain.activity import FieldChange
from winnerr_webhooks.domain.credentials import MASK
from winnerr_webhooks.domain.ed25519_keys import HMAC
from winnerr_webhooks.domain.retry import STANDARD
from winnerr_webhooks.domain.webhook import ACTIVE, Webhook
from winnerr_webhooks.storage import webhook_queries
from winnerr_webhooks.storage.acting import ActivityRecorder
from winnerr_webhooks.storage.database_session import Session
from winnerr_webhooks.storage.values import NewWebhook, WebhookChange

_SHOWN: Final = frozenset(
    (
        "url",
        "name",
        "description",
        "events",
        "timeout",
        "retry_schedule",
        "rate_limit",
        "order_by",
        "signing",
    )
)
"""Fields whose values are written down. Of every other one only that it has changed, because it
may hold something confidential."""
_USUAL: Final = {"retry_schedule": STANDARD, "header_names": (), "signing": HMAC}
"""What a new webhook has if nobody says otherwise, where that is not None."""
_OTHER_NAMES: Final = {"header_names": "headers", "auth_type": "auth", "order_by": "ordered"}
"""What the API calls a field, where it is another name."""
_NOT_SETTINGS: Final = frozenset(
    (
        "id",
        "organization",
        "status",  # it has actions of its own
        "status_reason",
        "has_secret",
        "overlap_ends_at",
        "created_at",
        "updated_at",
        "version",
    )
)


async def create(
    db: Session,
    new: NewWebhook,
    columns: Mapping[str, Any],
    limit: int,
    *,
    now: int,
    recorder: ActivityRecorder,
) -> Webhook:
    """Store a webhook; see `Webhooks.create_webhook`."""
    if (held := await webhook_queries.made_before(db, new, now)) is not None:
        return held
    created = await webhook_queries.create(db, new, columns, limit, now)
    await recorder.record(
        db,
        created.organization,
        activity.WEBHOOK_CREATED,
        webhook=created.id,
        changes=_differences(None, created),
        signed=created.has_secret,
        paused=created.status != ACTIVE or None,
    )
    return created


async def change(
    db: Session,
    organization: str,
    webhook_id: str,
    asked: WebhookChange,
    now: int,
    *,
    versions: Collection[int] | None,
    keyring: Sealer,
    recovery_id: str | None,
    recorder: ActivityRecorder,
) -> Webhook | None:
    """Apply a change; see `Webhooks.change_webhook`. What stays as it was makes no entry."""
    before = await webhook_queries.lock(db, organization, webhook_id, now)
    sealed = await db.fetch_value("get_credentials", webhook=webhook_id)
    after = await webhook_queries.change(
        db,
        organization,
        webhook_id,
        asked,
        now,
        versions=versions,
        keyring=keyring,
        recovery_id=recovery_id,
    )
    if before is None or after is None:
        return after
    changes = _differences(before, after)
    if await db.fetch_value("get_credentials", webhook=webhook_id) != sealed:
        changes += _changed_credentials(asked, changes)
    if changes:
        await recorder.record(
            db, organization, activity.WEBHOOK_CHANGED, webhook=webhook_id, changes=changes
        )
    if before.status != after.status:
        resumed = after.status == ACTIVE
        await recorder.record(
            db,
            organization,
            activity.WEBHOOK_RESUMED if resumed else activity.WEBHOOK_PAUSED,
            webhook=webhook_id,
            subject=recovery_id,
            changes=(FieldChange("status", before.status, after.status),),
            replayCancelled=(recovery_id is not None) if resumed else None,
        )
    return after


async def delete(
    db: Session,
    organization: str,
    webhook_id: str,
    now: int,
    *,
    versions: Collection[int] | None,
    recorder: ActivityRecorder,
) -> bool:
    """Delete a webhook; see `Webhooks.delete_webhook`."""
    deleted = await webhook_queries.delete(db, organization, webhook_id, now, versions=versions)
    if deleted:
        await recorder.record(db, organization, activity.WEBHOOK_DELETED, webhook=webhook_id)
    return deleted


async def set_secret(
    db: Session,
    organization: str,
    webhook_id: str,
    secret: bytes | None,
    *,
    signing: str | None,
    overlap_seconds: int,
    now: int,
    recorder: ActivityRecorder,
) -> int | None:
    """Set, rotate or remove the secret; see `Webhooks.set_secret`."""
    held = await webhook_queries.secrets(db, organization, webhook_id, now, lock=True)
    ends_at = await webhook_queries.set_secret(
        db,
        organization,
        webhook_id,
        secret,
        signing=signing,
        overlap_seconds=overlap_seconds,
        now=now,
    )
    if secret is None and held.signing is None:
        return ends_at
    if secret is None:
        action = activity.SIGNING_REMOVED
    elif held.signing is None:
        action = activity.SIGNING_SET
    elif held.following is not None and not overlap_seconds:
        action = activity.SIGNING_SWITCHED
    else:
        action = activity.SIGNING_ROTATED
    rotated = action == activity.SIGNING_ROTATED
    await recorder.record(
        db,
        organization,
        action,
        webhook=webhook_id,
        overlapSeconds=overlap_seconds if rotated else None,
    )
    return ends_at


def _differences(before: Webhook | None, after: Webhook) -> list[FieldChange]:
    """Return which settings differ. Without `before`: what a new webhook has."""
    old: dict[str, Any] = _USUAL if before is None else asdict(before)
    found = []
    for name, value in asdict(after).items():
        if name in _NOT_SETTINGS or value == old.get(name):
            continue
        change = FieldChange(_api_name(name))
        if name in _SHOWN:
            had = None if before is None else old.get(name)
            change = FieldChange(change.field, had, value)
        found.append(change)
    return found


def _changed_credentials(
    asked: WebhookChange, found: Sequence[FieldChange]
) -> Iterator[FieldChange]:
    """Yield the credentials that have other values now, under the same names."""
    named = {change.field for change in found}
    given = () if asked.headers is UNSET else asked.headers.values()
    if "headers" not in named and any(value != MASK for value in given):
        yield FieldChange("headers")
    if asked.auth is not UNSET and "auth" not in named:
        yield FieldChange("auth")


def _api_name(field: str) -> str:
    if field in _OTHER_NAMES:
        return _OTHER_NAMES[field]
    first, *rest = field.split("_")
    return first + "".join(word.capitalize() for word in rest)
