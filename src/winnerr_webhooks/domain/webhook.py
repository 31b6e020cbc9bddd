"""A webhook: a destination URL with its subscribed events."""

from typing import Final

import msgspec

from winnerr_webhooks.domain.credentials import NO_CREDENTIALS, Credentials, same_origin
from winnerr_webhooks.domain.ed25519_keys import HMAC
from winnerr_webhooks.domain.retry import STANDARD, RetrySchedule
from winnerr_webhooks.domain.text import Text

ACTIVE, PAUSED, DISABLED, DELETED = "active", "paused", "disabled", "deleted"
NOT_ACTIVE: Final = {
    PAUSED: Text("The webhook is paused: set it active, then recover."),
    DISABLED: Text("The webhook is disabled: set it active, then recover."),
}
"""Why a webhook cannot recover what it missed, by its status."""


class Webhook(msgspec.Struct, kw_only=True, gc=False):
    """A webhook as customers see it, without its secret."""

    id: str
    organization: str
    url: str
    description: str | None
    events: tuple[str, ...]
    """Patterns (see `event_pattern`) in catalogue order: names, `prefix.*`, or `*` alone."""
    status: str
    """`active`, `paused` or `disabled`; `deleted` only within the storage."""
    status_reason: str | None
    has_secret: bool
    overlap_ends_at: int | None
    """When the old secret stops signing (wall-clock ms), while a secret rotation overlaps."""
    created_at: int
    updated_at: int
    version: int
    """Goes up by 1 with every change."""
    name: str | None = None
    """What people call it; shown first wherever the webhook is named."""
    timeout: float | None = None
    """Seconds for one whole attempt; None: DELIVERY_TIMEOUT, which is also the most."""
    retry_schedule: RetrySchedule = STANDARD
    header_names: tuple[str, ...] = ()
    """The headers that it adds to its requests; their values are sealed."""
    auth_type: str | None = None
    """How it authenticates to its receiver: one of `domain.credentials.AUTH_TYPES`."""
    filter: str | None = None
    """Which events it gets, as JSON (`domain.event_filter`); None: all that it subscribes to."""
    rate_limit: float | None = None
    """Attempts a second, over all nodes together; None: as many as the receiver takes."""
    order_by: str | None = None
    """The order of its deliveries (`domain.event_order`): `ONE_ORDER`, or a path with an order for
    each of its values; None: no order."""
    signing: str = HMAC
    """How its newest secret signs: one of `domain.ed25519_keys.SIGNING_KINDS`."""


class Target(msgspec.Struct, kw_only=True, gc=False):
    """What a lane needs of its webhook to send requests; it reloads this when the version rises."""

    webhook_id: str
    organization: str
    version: int
    url: str
    status: str
    secret: str | None
    """The secret that signs; during an overlap the old one."""
    next_secret: str | None = None
    overlap_ends_at: int | None = None
    by_listener: bool = False
    """Whether its attempts are made by a connected listener instead of a lane."""
    timeout: float | None = None
    """Seconds for one whole attempt, if the webhook has its own limit."""
    retry_schedule: RetrySchedule = STANDARD
    credentials: Credentials = NO_CREDENTIALS
    rate_limit: float | None = None
    """Attempts a second; the deliveries of a webhook with a limit have turns."""

    def at(self, url: str) -> "Target":
        """Return the target with another URL: without its credentials, if the origin is another."""
        kept = self.credentials if same_origin(self.url, url) else NO_CREDENTIALS
        return msgspec.structs.replace(self, url=url, credentials=kept)

    def __repr__(self) -> str:
        """Leave the secrets out: a repr may end up in a log."""
        return f"Target({self.webhook_id}, version={self.version}, status={self.status})"


def webhook_is_gone(webhook_id: str) -> Text:
    """Return the sentence about a webhook that does not exist."""
    return Text("There is no webhook {id}; it may have been deleted.", id=webhook_id)
