"""Rows of the Activity tab: each entry of the activity log in words."""

from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec

from winnerr_webhooks.domain import activity
from winnerr_webhooks.domain.activity import Activity, Actor, FieldChange
from winnerr_webhooks.domain.event_pattern import ALL_EVENTS
from winnerr_webhooks.domain.text import Text, counted
from winnerr_webhooks.domain.time_spans import exact_span
from winnerr_webhooks.ids import id_ms
from winnerr_webhooks.management.page_sign_in import ADMIN, VIEWER
from winnerr_webhooks.settings_page import formatting
from winnerr_webhooks.settings_page.filters import read_time
from winnerr_webhooks.settings_page.languages import Language

ACTION_WORDS: Final = {
    activity.WEBHOOK_CREATED: Text("Added the webhook"),
    activity.WEBHOOK_CHANGED: Text("Edited the webhook"),
    activity.WEBHOOK_PAUSED: Text("Paused the webhook"),
    activity.WEBHOOK_RESUMED: Text("Resumed the webhook"),
    activity.WEBHOOK_DELETED: Text("Deleted the webhook"),
    activity.SIGNING_SET: Text("Set a secret"),
    activity.SIGNING_ROTATED: Text("Rotated the secret"),
    activity.SIGNING_SWITCHED: Text("Switched to the new secret"),
    activity.SIGNING_REMOVED: Text("Removed the secret"),
    activity.SIGNING_REVEALED: Text("Revealed the secret"),
    activity.TEST_SENT: Text("Sent a test event"),
    activity.RECEIVER_CHECKED: Text("Checked the receiver"),
    activity.DELIVERY_REPLAYED: Text("Replayed a delivery"),
    activity.DELIVERY_SKIPPED: Text("Skipped a delivery"),
    activity.DELIVERIES_REPLAYED: Text("Replayed failed deliveries"),
    activity.RECOVERY_STARTED: Text("Started a recovery"),
    activity.RECOVERY_CANCELLED: Text("Stopped a recovery"),
    activity.REHEARSAL_STARTED: Text("Started a rehearsal"),
    activity.REHEARSAL_CANCELLED: Text("Stopped a rehearsal"),
    activity.LISTENER_OPENED: Text("Opened a listener"),
    activity.ALERTS_CHANGED: Text("Changed the alerts"),
    activity.KEY_CREATED: Text("Created an API key"),
    activity.KEY_REVOKED: Text("Revoked an API key"),
    activity.SIGNED_IN: Text("Signed in"),
}
"""What each action is called, in the order of the filter."""
_FIELD_WORDS: Final = {
    "url": Text("URL"),
    "name": Text("name"),
    "description": Text("description"),
    "events": Text("events"),
    "status": Text("status"),
    "timeout": Text("time limit"),
    "retrySchedule": Text("retries"),
    "rateLimit": Text("rate limit"),
    "ordered": Text("order"),
    "emails": Text("addresses"),
    "language": Text("language"),
}
_ROLE_WORDS: Final = {ADMIN: Text("admin"), VIEWER: Text("viewer")}
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
    at: int
    """In ms since 1970."""
    actor: str
    actor_kind: str
    """`API key` or `command`; empty for a user, whom the name alone describes."""
    address: str
    what: str
    facts: list[str]
    """What else is worth knowing, a few words each."""
    since: int | None
    """The time since which it applies, in ms since 1970; None if it says none."""
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
    language: Language, entries: Sequence[Activity], webhook_ids: Collection[str]
) -> list[ActivityRow]:
    """Rows for these entries; `webhook_ids` are of the webhooks that exist."""
    return [_row(language, entry, webhook_ids) for entry in entries]


def actor_words(actor: Actor) -> tuple[str, str]:
    """The name of an actor, and which kind it is where the name does not say so."""
    if actor.kind == activity.USER:
        return actor.name or Text("A user without a name"), ""
    if actor.kind == activity.KEY:
        return actor.name or formatting.short_id(actor.id or ""), Text("API key")
    if actor.kind == activity.COMMAND:
        return actor.name or Text("unknown user"), Text("command")
    return Text("The service"), ""


def _row(language: Language, entry: Activity, webhook_ids: Collection[str]) -> ActivityRow:
    name, kind = actor_words(entry.actor)
    is_there = entry.webhook_id in webhook_ids
    return ActivityRow(
        id=entry.id,
        at=id_ms(entry.id),
        actor=name,
        actor_kind=kind,
        address=entry.actor.address or "",
        what=ACTION_WORDS.get(entry.action, entry.action),
        facts=_facts(entry),
        since=read_time(str(entry.details.get("since", ""))),
        changes=[
            _field(language, one) for one in entry.changes if (entry.action, one.field) not in _SAID
        ],
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
    found: list[str] = []
    if "count" in details:
        count = details["count"]
        if entry.action == activity.REHEARSAL_STARTED:
            found.append(counted("{count} event", "{count} events", count))
        else:
            found.append(counted("{count} delivery", "{count} deliveries", count))
    if details.get("replayCancelled"):
        found.append(Text("and sent what was missed"))
    if "overlapSeconds" in details:
        seconds = details["overlapSeconds"]
        overlap = Text("both secrets sign for {time}", time=exact_span(seconds))
        found.append(overlap if seconds else Text("no overlap"))
    if details.get("paused"):
        found.append(Text("paused"))
    if details.get("signed"):
        found.append(Text("with a secret"))
    if "role" in details:
        role = details["role"]
        found.append(Text("as {role}", role=_ROLE_WORDS.get(role, role)))
    found += [str(details[name]) for name in ("event", "url", "name") if name in details]
    return found


def _field(language: Language, change: FieldChange) -> ChangedField:
    hidden = change.old is msgspec.UNSET
    name = _FIELD_WORDS.get(change.field, change.field)
    return ChangedField(name, _value(language, change.old), _value(language, change.new), hidden)


def _value(language: Language, value: Any) -> str | None:
    if value is None or value is msgspec.UNSET:
        return None
    if value == [ALL_EVENTS]:
        return Text("all events")
    values = value if isinstance(value, list) else [value]
    text = ", ".join(f"{one:.15g}" if isinstance(one, float) else str(one) for one in values)
    if all(isinstance(one, int | float) for one in values):
        text = language.numbers_written(text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _subject_path(entry: Activity) -> str:
    kind = (entry.subject or "").partition("_")[0]
    paths = {"dlv": "/logs?q=", "evt": "/events/", "job": "/jobs/", "reh": "/rehearsals/"}
    return f"{paths[kind]}{entry.subject}" if kind in paths else ""
