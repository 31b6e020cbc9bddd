"""Rows of the Activity tab: each entry of the activity log in words."""

from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec
from markupsafe import Markup

from winnerr_webhooks.domain import activity
from winnerr_webhooks.domain.activity import Activity, Actor, FieldChange
from winnerr_webhooks.domain.event_pattern import ALL_EVENTS
from winnerr_webhooks.ids import id_ms
from winnerr_webhooks.settings_page import formatting

ACTION_WORDS: Final = {
    activity.WEBHOOK_CREATED: "Added the webhook",
    activity.WEBHOOK_CHANGED: "Edited the webhook",
    activity.WEBHOOK_PAUSED: "Paused the webhook",
    activity.WEBHOOK_RESUMED: "Resumed the webhook",
    activity.WEBHOOK_DELETED: "Deleted the webhook",
    activity.SIGNING_SET: "Set a secret",
    activity.SIGNING_ROTATED: "Rotated the secret",
    activity.SIGNING_SWITCHED: "Switched to the new secret",
    activity.SIGNING_REMOVED: "Removed the secret",
    activity.SIGNING_REVEALED: "Revealed the secret",
    activity.TEST_SENT: "Sent a test event",
    activity.RECEIVER_CHECKED: "Checked the receiver",
    activity.DELIVERY_REPLAYED: "Replayed a delivery",
    activity.DELIVERIES_REPLAYED: "Replayed failed deliveries",
    activity.RECOVERY_STARTED: "Started a recovery",
    activity.RECOVERY_CANCELLED: "Stopped a recovery",
    activity.REHEARSAL_STARTED: "Started a rehearsal",
    activity.REHEARSAL_CANCELLED: "Stopped a rehearsal",
    activity.LISTENER_OPENED: "Opened a listener",
    activity.KEY_CREATED: "Created an API key",
    activity.KEY_REVOKED: "Revoked an API key",
    activity.SIGNED_IN: "Signed in",
}
"""What each action is called, in the order of the filter."""
_FIELD_WORDS: Final = {
    "url": "URL",
    "timeout": "time limit",
    "retrySchedule": "retries",
}
_LONGEST: Final = 300
"""Characters of a value that are shown."""


class ChangedField(msgspec.Struct, frozen=True):
    """One line of a change: `description`, then old and new value."""

    name: str
    old: str | None
    new: str | None
    is_hidden: bool
    """Whether the values are not recorded, because they may be confidential."""


class ActivityRow(msgspec.Struct, kw_only=True, gc=False):
    """One entry, ready to show."""

    id: str
    time: Markup
    actor: str
    actor_kind: str
    """`API key` or `command`; empty for a user, whom the name alone describes."""
    address: str
    what: str
    facts: list[str]
    """What else is worth knowing, a few words each."""
    changes: list[ChangedField]
    webhook: str
    """Its URL without the scheme; empty when the entry is about none."""
    webhook_name: str
    webhook_path: str
    """Where it is below the page; empty when it was deleted."""
    subject: str
    subject_path: str
    """Where the subject is below the page; empty when it has no page."""


def make_activity_rows(
    entries: Sequence[Activity], webhook_ids: Collection[str], now: int
) -> list[ActivityRow]:
    """Rows for these entries; `webhook_ids` are of the webhooks that exist."""
    return [_row(entry, webhook_ids, now) for entry in entries]


def actor_words(actor: Actor) -> tuple[str, str]:
    """The name of an actor, and which kind it is where the name does not say so."""
    if actor.kind == activity.USER:
        return actor.name or "A user without a name", ""
    if actor.kind == activity.KEY:
        return actor.name or formatting.short_id(actor.id or ""), "API key"
    if actor.kind == activity.COMMAND:
        return actor.name or "unknown user", "command"
    return "The service", ""


def _row(entry: Activity, webhook_ids: Collection[str], now: int) -> ActivityRow:
    name, kind = actor_words(entry.actor)
    is_there = entry.webhook_id in webhook_ids
    return ActivityRow(
        id=entry.id,
        time=formatting.clock(id_ms(entry.id), now),
        actor=name,
        actor_kind=kind,
        address=entry.actor.address or "",
        what=ACTION_WORDS.get(entry.action, entry.action),
        facts=_facts(entry),
        changes=[_field(one) for one in entry.changes if (entry.action, one.field) not in _SAID],
        webhook=formatting.short_url(entry.webhook_url) if entry.webhook_url else "",
        webhook_name=entry.webhook_name or "",
        webhook_path=f"/{entry.webhook_id}" if is_there else "",
        subject=formatting.short_id(entry.subject) if entry.subject else "",
        subject_path=_subject_path(entry),
    )


_SAID: Final = (
    (activity.WEBHOOK_CREATED, "url"),
    (activity.WEBHOOK_PAUSED, "status"),
    (activity.WEBHOOK_RESUMED, "status"),
)
"""Fields that the row shows already, or that its words say."""


def _facts(entry: Activity) -> list[str]:
    details = entry.details
    found = []
    if "count" in details:
        noun = "event" if entry.action == activity.REHEARSAL_STARTED else "delivery"
        plural = "events" if noun == "event" else "deliveries"
        found.append(formatting.pluralize(details["count"], noun, plural))
    if details.get("replayCancelled"):
        found.append("and sent what was missed")
    if "overlapSeconds" in details:
        seconds = details["overlapSeconds"]
        overlap = f"both secrets sign for {formatting.span(seconds)}" if seconds else "no overlap"
        found.append(overlap)
    if details.get("paused"):
        found.append("paused")
    if details.get("signed"):
        found.append("with a secret")
    if "role" in details:
        found.append(f"as {details['role']}")
    found += [str(details[name]) for name in ("event", "url", "name") if name in details]
    if "since" in details:
        found.append(f"since {details['since']}")
    return found


def _field(change: FieldChange) -> ChangedField:
    hidden = change.old is msgspec.UNSET
    name = _FIELD_WORDS.get(change.field, change.field)
    return ChangedField(name, _value(change.old), _value(change.new), hidden)


def _value(value: Any) -> str | None:
    if value is None or value is msgspec.UNSET:
        return None
    if value == [ALL_EVENTS]:
        return "all events"
    values = value if isinstance(value, list) else [value]
    text = ", ".join(f"{one:.15g}" if isinstance(one, float) else str(one) for one in values)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _subject_path(entry: Activity) -> str:
    kind = (entry.subject or "").partition("_")[0]
    paths = {"dlv": "/logs?q=", "evt": "/events/", "job": "/jobs/", "reh": "/rehearsals/"}
    return f"{paths[kind]}{entry.subject}" if kind in paths else ""
