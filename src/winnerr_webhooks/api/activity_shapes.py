"""The answers about the activity log. Their docstrings appear in the OpenAPI document."""

from typing import Annotated, Any

import msgspec

from winnerr_webhooks.api.shapes import UNSET, Shape, Time, UnsetType
from winnerr_webhooks.domain.activity import ACTIONS, ACTOR_KINDS, Activity, FieldChange
from winnerr_webhooks.domain.event import rfc3339_ms
from winnerr_webhooks.ids import id_ms
from winnerr_webhooks.storage.activity_port import ActivityPage

Action = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(ACTIONS)})]
ActorKind = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(ACTOR_KINDS)})]


class ActorShape(Shape):
    """A user of the settings page, an API key, a command or the service itself."""

    kind: ActorKind
    id: str | None
    name: str | None
    address: str | None


class FieldChangeShape(Shape):
    """A changed field. `old` and `new` are left out where the value may be confidential."""

    field: str
    old: Any | UnsetType = UNSET
    new: Any | UnsetType = UNSET


class ActivityShape(Shape):
    """Who did what, when and from where."""

    id: str
    at: Time
    action: Action
    actor: ActorShape
    webhook_id: str | None
    webhook_url: str | None
    webhook_name: str | None
    subject_id: str | None
    changes: list[FieldChangeShape]
    details: dict[str, Any]


class ActivityPageShape(Shape):
    """Entries, newest first. Pass `next` as `before` to continue."""

    items: list[ActivityShape]
    next: str | None


def activity_page(page: ActivityPage) -> ActivityPageShape:
    """A page of the activity log as the API gives it."""
    return ActivityPageShape(items=[_activity(one) for one in page.items], next=page.next)


def _activity(entry: Activity) -> ActivityShape:
    actor = entry.actor
    return ActivityShape(
        id=entry.id,
        at=rfc3339_ms(id_ms(entry.id)),
        action=entry.action,
        actor=ActorShape(kind=actor.kind, id=actor.id, name=actor.name, address=actor.address),
        webhook_id=entry.webhook_id,
        webhook_url=entry.webhook_url,
        webhook_name=entry.webhook_name,
        subject_id=entry.subject,
        changes=[_change(one) for one in entry.changes],
        details=entry.details,
    )


def _change(change: FieldChange) -> FieldChangeShape:
    return FieldChangeShape(field=change.field, old=change.old, new=change.new)
