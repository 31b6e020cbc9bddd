"""The activity log: who did what in an organization, when, and from where."""

from typing import Any, Final

import msgspec

USER, KEY, COMMAND, SERVICE = "user", "key", "command", "service"
ACTOR_KINDS: Final = (USER, KEY, COMMAND, SERVICE)

WEBHOOK_CREATED: Final = "webhook.created"
WEBHOOK_CHANGED: Final = "webhook.changed"
WEBHOOK_PAUSED: Final = "webhook.paused"
WEBHOOK_RESUMED: Final = "webhook.resumed"
WEBHOOK_DELETED: Final = "webhook.deleted"
SIGNING_SET: Final = "secret.set"
SIGNING_ROTATED: Final = "secret.rotated"
SIGNING_SWITCHED: Final = "secret.switched"
SIGNING_REMOVED: Final = "secret.removed"
SIGNING_REVEALED: Final = "secret.revealed"
TEST_SENT: Final = "test.sent"
RECEIVER_CHECKED: Final = "receiver.checked"
DELIVERY_REPLAYED: Final = "delivery.replayed"
DELIVERY_SKIPPED: Final = "delivery.skipped"
DELIVERIES_REPLAYED: Final = "deliveries.replayed"
RECOVERY_STARTED: Final = "recovery.started"
RECOVERY_CANCELLED: Final = "recovery.cancelled"
REHEARSAL_STARTED: Final = "rehearsal.started"
REHEARSAL_CANCELLED: Final = "rehearsal.cancelled"
LISTENER_OPENED: Final = "listener.opened"
ALERTS_CHANGED: Final = "alerts.changed"
KEY_CREATED: Final = "key.created"
KEY_REVOKED: Final = "key.revoked"
SIGNED_IN: Final = "user.signed_in"

ACTIONS: Final = (
    WEBHOOK_CREATED, WEBHOOK_CHANGED, WEBHOOK_PAUSED, WEBHOOK_RESUMED, WEBHOOK_DELETED,
    SIGNING_SET, SIGNING_ROTATED, SIGNING_SWITCHED, SIGNING_REMOVED, SIGNING_REVEALED,
    TEST_SENT, RECEIVER_CHECKED, DELIVERY_REPLAYED, DELIVERY_SKIPPED, DELIVERIES_REPLAYED,
    RECOVERY_STARTED, RECOVERY_CANCELLED, REHEARSAL_STARTED, REHEARSAL_CANCELLED,
    LISTENER_OPENED, ALERTS_CHANGED, KEY_CREATED, KEY_REVOKED, SIGNED_IN,
)  # fmt: skip
"""Every action that is recorded."""


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts: a user of the settings page, an API key, a command, or the service by itself."""

    kind: str
    """One of `ACTOR_KINDS`."""
    id: str | None = None
    """The id of an API key."""
    name: str | None = None
    """A user's name, a key's name, or the operating system's user who ran a command."""
    address: str | None = None
    """The client's IP address, as far as it is known."""


THE_SERVICE: Final = Actor(kind=SERVICE)


class FieldChange(msgspec.Struct, frozen=True):
    """One changed field. `old` and `new` are UNSET where the field may hold a secret."""

    field: str
    """Its name in the API."""
    old: Any = msgspec.UNSET
    new: Any = msgspec.UNSET


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. It never has a secret."""

    id: str
    """`act_…`; its time is when the change was made."""
    organization: str
    action: str
    """One of `ACTIONS`."""
    actor: Actor
    webhook_id: str | None
    webhook_url: str | None
    """The webhook's URL after the change; it stays when the webhook is deleted."""
    webhook_name: str | None
    subject: str | None
    """The id of what else was acted on: a delivery, a job, a rehearsal, an API key."""
    changes: tuple[FieldChange, ...]
    details: dict[str, Any]
    """What else is worth knowing, such as `count` or `event`."""
