"""What an organization is told of its webhooks by mail: reading and changing it."""

import difflib
from typing import Protocol

import msgspec

from winnerr_webhooks.domain.alerts import (
    MAX_EMAILS,
    OPERATIONAL_EVENTS,
    USUAL_EVENTS,
    AlertSettings,
    is_email,
)
from winnerr_webhooks.domain.language_choice import LANGUAGES
from winnerr_webhooks.domain.suggestions import did_you_mean
from winnerr_webhooks.domain.text import Sentences, Text
from winnerr_webhooks.management.field_checks import FieldChecks

_MOST_EVENTS = 20
_SHOWN = 80
"""Characters of a wrong value that an error repeats."""


class AlertDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told of failing webhooks by mail, of what, and in which language."""

    emails: list[str]
    """Where mail goes, at most `MAX_EMAILS` addresses; none: no mail."""
    events: list[str] = msgspec.field(default_factory=lambda: list(USUAL_EVENTS))
    """Some of `OPERATIONAL_EVENTS`."""
    language: str | None = None
    """The language of the mails, one of `LANGUAGES`; None: DEFAULT_LANGUAGE."""


class AlertStorage(Protocol):
    """The part of the storage that this needs."""

    async def alert_settings(self, organization: str) -> AlertSettings:
        """Return what an organization is told, and where."""
        ...

    async def set_alert_settings(self, organization: str, settings: AlertSettings) -> None:
        """Change it; the activity log has the change."""
        ...


class AlertManagement:
    """Reads and changes the settings, for the API and for the settings page."""

    def __init__(self, storage: AlertStorage) -> None:
        self._storage = storage

    async def get(self, organization: str) -> AlertSettings:
        """Return the settings; those of an organization that never set any send no mail."""
        return await self._storage.alert_settings(organization)

    async def put(self, organization: str, settings: AlertSettings) -> None:
        """Set all of the settings, as `check_alert_settings` returns them."""
        await self._storage.set_alert_settings(organization, settings)


def check_alert_settings(draft: AlertDraft) -> AlertSettings:
    """Return checked settings. Raises `Invalid` with every wrong address, event and language.

    Of addresses that differ by case alone the first stays. The order of `events` does not matter.
    """
    checks = FieldChecks()
    if len(draft.emails) > MAX_EMAILS:
        checks.refuse(
            "/emails",
            Text(
                "There are {count:,} addresses; {most} are the most.",
                count=len(draft.emails),
                most=MAX_EMAILS,
            ),
        )
    emails: dict[str, str] = {}
    for place, email in enumerate(draft.emails[:MAX_EMAILS]):
        address = email.strip(" ")
        if not is_email(address):
            checks.refuse(
                f"/emails/{place}",
                Text(
                    "{address} is no mail address: write it as name@example.com, in ASCII.",
                    address=repr(address[:_SHOWN]),
                ),
            )
        emails.setdefault(address.lower(), address)
    if len(draft.events) > _MOST_EVENTS:
        checks.refuse("/events", _known())
    for place, event in enumerate(draft.events[:_MOST_EVENTS]):
        if event not in OPERATIONAL_EVENTS:
            checks.refuse(f"/events/{place}", _no_event(event))
    if draft.language is not None and draft.language not in LANGUAGES:
        checks.refuse(
            "/language",
            Text(
                "There is no language {name}; there are {known}.",
                name=repr(draft.language[:_SHOWN]),
                known=", ".join(LANGUAGES),
            ),
        )
    checks.done()
    return AlertSettings(
        emails=tuple(emails.values()),
        events=tuple(event for event in OPERATIONAL_EVENTS if event in draft.events),
        language=draft.language,
    )


def _no_event(name: str) -> Text:
    near = difflib.get_close_matches(name, OPERATIONAL_EVENTS, n=1)
    refusal = Text("There is no operational event {name}.", name=repr(name[:_SHOWN]))
    return Sentences(refusal, did_you_mean(near) or _known())


def _known() -> Text:
    return Text("There are {names}.", names=", ".join(OPERATIONAL_EVENTS))
