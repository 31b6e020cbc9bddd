"""Webhooks, their secrets, and what lanes read of both."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from winnerr_webhooks.crypto import Sealer, key_id_of
from winnerr_webhooks.domain.errors import ConfigurationError, Conflict, NotFound
from winnerr_webhooks.domain.webhook import ACTIVE, Target, Webhook
from winnerr_webhooks.storage.sqlite import jobs, status
from winnerr_webhooks.storage.sqlite.connection import Connection
from winnerr_webhooks.storage.sqlite.rows import as_json
from winnerr_webhooks.storage.values import NewWebhook, ReplayFilter, WebhookChange

MOST_NUMBERS = 1 << 20
"""Webhooks an organization can ever make: four characters of base 32 end a delivery's id."""

_NAMES = msgspec.json.Decoder(tuple[str, ...])
_IDS = msgspec.json.Decoder(list[str])


class Secrets(NamedTuple):
    """A webhook's secrets, sealed, as of now: an overlap that is over is not in it."""

    signing: bytes | None
    following: bytes | None
    overlap_ends_at: int | None

    @classmethod
    def now(
        cls, signing: bytes | None, following: bytes | None, ends_at: int | None, now: int
    ) -> "Secrets":
        """What the columns mean at `now`."""
        if ends_at is not None and ends_at <= now:
            return cls(following, None, None)
        return cls(signing, following, ends_at)


def opened(keyring: Sealer, sealed: bytes | None, webhook_id: str) -> str | None:
    """A secret in the clear."""
    return None if sealed is None else keyring.decrypt(sealed, webhook_id.encode()).decode()


def sealed(keyring: Sealer, secret: str | None, webhook_id: str) -> bytes | None:
    """A secret as it is stored."""
    return None if secret is None else keyring.encrypt(secret.encode(), webhook_id.encode())


def _webhook(row: Any, now: int) -> Webhook:
    (
        id_, organization, url, description, events, status_, reason, has_secret,
        overlap_ends_at, created_at, updated_at, version,
    ) = row  # fmt: skip
    return Webhook(
        id=id_,
        organization=organization,
        url=url,
        description=description,
        events=_NAMES.decode(events),
        status=status_,
        status_reason=reason,
        has_secret=bool(has_secret),
        overlap_ends_at=None if (overlap_ends_at or 0) <= now else overlap_ends_at,
        created_at=created_at,
        updated_at=updated_at,
        version=version,
    )


def create(db: Connection, new: NewWebhook, secret: bytes | None, limit: int, now: int) -> Webhook:
    """Store a webhook; see `Storage.create_webhook`."""
    count, number = db.row("count_webhooks", (new.organization,))
    if count >= limit or number >= MOST_NUMBERS:
        raise Conflict(
            f"The organization has {count} webhooks, and {limit} are the most: delete one first."
        )
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
    wanted: WebhookChange,
    now: int,
    *,
    replay_cancelled: bool,
) -> Webhook | None:
    """Apply a change; see `Storage.change_webhook`. What is as wanted already changes nothing."""
    webhook = get(db, organization, webhook_id, now)
    if webhook is None:
        return None
    fields = {
        "url": _either(wanted.url, webhook.url),
        "description": _either(wanted.description, webhook.description),
        "events": _either(wanted.events, webhook.events),
    }
    if (webhook.url, webhook.description, webhook.events) != tuple(fields.values()):
        values = fields | {"events": as_json(fields["events"]), "id": webhook_id, "now": now}
        db.run("edit_webhook", values)
        if fields["events"] != webhook.events:
            _subscribe(db, organization, webhook_id, _either(wanted.events, webhook.events))
    wanted_status = _either(wanted.status, webhook.status)
    if wanted_status != webhook.status:
        if wanted_status == ACTIVE:
            status.enter_active(db, webhook_id, now)
        elif webhook.status == ACTIVE:
            status.leave_active(db, webhook_id, wanted_status, None, now)
        else:
            status.relabel(db, webhook_id, wanted_status, now)
    if replay_cancelled:
        query = ReplayFilter(organization=organization, webhook=webhook_id, cancelled_only=True)
        jobs.enqueue(db, query, now)
    return get(db, organization, webhook_id, now)


def _either(wanted: Any, present: Any) -> Any:
    return present if wanted is msgspec.UNSET else wanted


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
        raise NotFound(f"There is no webhook {webhook_id}.")
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
    if secret is not None and held.signing is not None and overlap_seconds > 0:
        new = Secrets(held.signing, secret, now + overlap_seconds * 1000)
    else:
        new = Secrets(secret, None, None)
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
    found = []
    for row in db.rows("get_targets", (as_json(list(webhook_ids)),)):
        webhook_id, organization, version, url, status_, signing, following, ends_at = row
        held = Secrets.now(signing, following, ends_at, now)
        found.append(
            Target(
                webhook_id=webhook_id,
                organization=organization,
                version=version,
                url=url,
                status=status_,
                secret=opened(keyring, held.signing, webhook_id),
                next_secret=opened(keyring, held.following, webhook_id),
                overlap_ends_at=held.overlap_ends_at,
            )
        )
    return found


def changed(db: Connection, since: int) -> tuple[int, list[str]]:
    """Webhooks changed after a mark; see `Storage.changed_webhooks`."""
    mark: int = db.row("change_mark")[0]
    if not since:
        return mark, []
    return mark, _IDS.decode(db.row("changed_since", (since,))[0])


def check_secrets(db: Connection, keyring: Sealer) -> None:
    """See that each key that sealed a secret is there; `ConfigurationError` when one is not.

    One secret that opens proves its key, and one that is damaged does not disprove it.
    """
    failures: dict[str, ConfigurationError | None] = {}
    for webhook_id, secret in db.rows("all_secrets"):
        key_id = key_id_of(secret)
        if failures.get(key_id, True) is None:
            continue
        try:
            opened(keyring, secret, webhook_id)
            failures[key_id] = None
        except ConfigurationError as error:
            failures[key_id] = error
    for failure in failures.values():
        if failure is not None:
            raise failure
