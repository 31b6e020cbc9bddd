"""Rows of `webhook` as values, and what a change makes of one: what both adapters agree on."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from msgspec import UNSET

from winnerr_webhooks.crypto import Sealer
from winnerr_webhooks.domain.errors import Conflict, NotFound
from winnerr_webhooks.domain.webhook import Target, Webhook
from winnerr_webhooks.storage.secrets import Secrets, opened
from winnerr_webhooks.storage.values import WebhookChange

MOST_NUMBERS: Final = 1 << 20
"""Webhooks an organization can ever make: four characters of base 32 end a delivery's id."""


def check_room(count: int, number: int, limit: int) -> None:
    """`Conflict` when an organization with `count` webhooks cannot have another, of `number`."""
    if count >= limit or number >= MOST_NUMBERS:
        raise Conflict(
            f"The organization has {count} webhooks, and {limit} are the most: delete one first."
        )


def no_webhook(webhook_id: str) -> NotFound:
    """The organization has no webhook of that id."""
    return NotFound(f"There is no webhook {webhook_id}.")


def webhook_of(row: Sequence[Any], now: int) -> Webhook:
    """A row of `webhook_columns`, its events decoded; an overlap that is over is not in it."""
    (
        id_, organization, url, description, events, status, reason, has_secret,
        overlap_ends_at, created_at, updated_at, version,
    ) = row  # fmt: skip
    return Webhook(
        id=id_,
        organization=organization,
        url=url,
        description=description,
        events=tuple(events),
        status=status,
        status_reason=reason,
        has_secret=bool(has_secret),
        overlap_ends_at=None if (overlap_ends_at or 0) <= now else overlap_ends_at,
        created_at=created_at,
        updated_at=updated_at,
        version=version,
    )


def target_of(row: Sequence[Any], keyring: Sealer, now: int) -> Target:
    """A row of `get_targets`, its secrets opened."""
    webhook_id, organization, version, url, status, signing, following, ends_at = row
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
    )


class Wanted(NamedTuple):
    """A webhook's fields after a change."""

    url: str
    description: str | None
    events: tuple[str, ...]
    status: str

    @classmethod
    def of(cls, webhook: Webhook, change: WebhookChange) -> "Wanted":
        """What a change leaves out stays as it is."""
        return cls(
            webhook.url if change.url is UNSET else change.url,
            webhook.description if change.description is UNSET else change.description,
            webhook.events if change.events is UNSET else change.events,
            webhook.status if change.status is UNSET else change.status,
        )

    def edits(self, webhook: Webhook) -> bool:
        """Whether more than the status becomes another."""
        return (self.url, self.description, self.events) != (
            webhook.url,
            webhook.description,
            webhook.events,
        )
