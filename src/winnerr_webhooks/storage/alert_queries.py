"""Operational events on either database: which webhooks need one, and the mails about them.

The table `alert_state` has one row for each webhook that has had an operational event, or needs
one. `told` says whether the event about the current state was made. Transactions that lock several
rows lock them by rising ids. Those that search for webhooks skip rows that another node has locked.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from winnerr_webhooks.domain.alerts import (
    DELIVERY_FAILED,
    FAILED_EVERY_MS,
    FAILING_AFTER_MS,
    FAILING_ATTEMPTS,
    OPERATOR,
    WEBHOOK_DISABLED,
    WEBHOOK_FAILING,
    WEBHOOK_RECOVERED,
    Alert,
    AlertSettings,
    alert_data,
)
from winnerr_webhooks.domain.event import rfc3339
from winnerr_webhooks.storage.alert_port import AlertMail
from winnerr_webhooks.storage.database_session import Session, decoded_list

SLICE: Final = 100
"""Events of a kind that one transaction makes."""
MAILS: Final = 20
"""Mails that one claim takes."""


class Found(NamedTuple):
    """A webhook that an operational event is made about."""

    webhook_id: str
    details: dict[str, Any]
    """Members of the event's data that only this kind of event has."""


async def alert_settings(db: Session, organization: str) -> AlertSettings:
    """Return the settings; see `Alerts.alert_settings`."""
    row = await db.fetch_row("get_alert_settings", organization=organization)
    if row is None:
        return AlertSettings()
    emails, events, language = row
    return AlertSettings(
        emails=tuple(decoded_list(emails)), events=tuple(decoded_list(events)), language=language
    )


async def put_alert_settings(db: Session, organization: str, settings: AlertSettings) -> None:
    """Write the settings."""
    await db.execute(
        "put_alert_settings",
        organization=organization,
        emails=_json(settings.emails),
        event_names=_json(settings.events),
        language=settings.language,
    )


Step = Callable[[Session, int], Coroutine[Any, Any, tuple[str, list[Found]]]]
"""Finds the webhooks that need one kind of event at an instant (ms), and marks them as told.

Returns the name of the event, and the webhooks."""


# --- which webhooks need an event -----------------------------------------------------------------


async def note_failures(
    db: Session, failed: Mapping[str, int], disabled: Sequence[str], now: int
) -> None:
    """Note how many deliveries of each webhook failed, and which webhooks were disabled."""
    for webhook_id in sorted({*failed, *disabled}):
        await db.execute(
            "note_failures",
            webhook=webhook_id,
            state="disabled" if webhook_id in disabled else "",
            failed=failed.get(webhook_id, 0),
            now=now,
        )


async def find_disabled(db: Session, _now: int) -> tuple[str, list[Found]]:
    """Return webhooks that were disabled, also those that are active again, and mark them."""
    rows = await db.fetch("disabled_webhooks", most=SLICE)
    if rows:
        await db.execute("mark_disabled", webhooks=[row[0] for row in rows])
    found = [Found(row[0], {"disabledAt": rfc3339(row[1])}) for row in rows]
    return WEBHOOK_DISABLED, found


async def find_recovered(db: Session, _now: int) -> tuple[str, list[Found]]:
    """Return webhooks that were failing or disabled and deliver again, and mark them."""
    rows = await db.fetch("recovered_webhooks", most=SLICE)
    if rows:
        await db.execute("mark_recovered", webhooks=[row[0] for row in rows])
    return WEBHOOK_RECOVERED, [Found(row[0], {"since": rfc3339(row[1])}) for row in rows]


async def find_failing(db: Session, now: int) -> tuple[str, list[Found]]:
    """Return webhooks that are failing now and were not before, and mark them."""
    rows = await db.fetch(
        "failing_webhooks",
        before=now - FAILING_AFTER_MS,
        least=FAILING_ATTEMPTS,
        operator=OPERATOR,
        most=SLICE,
    )
    found = []
    for webhook_id, since, failures in rows:
        if await db.execute("mark_failing", webhook=webhook_id, since=since):
            found.append(Found(webhook_id, {"since": rfc3339(since), "failures": failures}))
    return WEBHOOK_FAILING, found


async def find_failed(db: Session, now: int) -> tuple[str, list[Found]]:
    """Return webhooks with deliveries that failed since the last event about these; mark them."""
    rows = await db.fetch("webhooks_with_failed", before=now - FAILED_EVERY_MS, most=SLICE)
    if rows:
        await db.execute("mark_failed", webhooks=[row[0] for row in rows], now=now)
    return DELIVERY_FAILED, [Found(row[0], {"deliveries": row[1]}) for row in rows]


STEPS: Final[Sequence[Step]] = (find_disabled, find_recovered, find_failing, find_failed)
"""All kinds of events, in the order in which they can happen to one webhook."""


class Outlets(NamedTuple):
    """Where operational events are sent; see `Alerts.raise_alerts`."""

    publish: bool
    mail: bool


async def add_alerts(
    db: Session,
    event: str,
    found: Sequence[Found],
    outlets: Outlets,
    *,
    ids: Sequence[str],
    now: int,
) -> int:
    """Store an event for each webhook found, with its mails; return how many there are."""
    rows = await db.fetch("webhooks_of_alerts", webhooks=[one.webhook_id for one in found])
    webhooks = {row[0]: row[1:] for row in rows}
    told = 0
    for alert_id, one in zip(ids, found, strict=True):
        if one.webhook_id not in webhooks:
            continue
        organization, name, url, reason, emails, events, language = webhooks[one.webhook_id]
        details = one.details | ({"reason": reason} if event == WEBHOOK_DISABLED else {})
        data = _json(alert_data(organization, one.webhook_id, name, url, **details))
        values = {"id": alert_id, "event": event, "now": now, "data": data}
        if outlets.publish:
            await db.execute("add_alert", **values)
        if outlets.mail and event in decoded_list(events):
            for email in decoded_list(emails):
                await db.execute("add_alert_mail", **values, email=email, language=language)
        told += 1
    return told


async def waiting_alerts(db: Session) -> list[Alert]:
    """Return events to publish; see `Alerts.waiting_alerts`."""
    rows = await db.fetch("waiting_alerts", most=SLICE)
    return [Alert(id=row[0], event=row[1], at=row[2], data=row[3]) for row in rows]


# --- mails ----------------------------------------------------------------------------------------


async def claim_mails(db: Session, now: int, lease_ms: int) -> list[AlertMail]:
    """Return mails that are due, held until the lease ends; see `Alerts.claim_mails`."""
    mails = []
    for id_, email, language, event, at, data, attempts in await db.fetch(
        "due_mails", now=now, most=MAILS
    ):
        await db.execute("hold_mail", alert=id_, email=email, due_at=now + lease_ms)
        mails.append(
            AlertMail(
                alert=Alert(id=id_, event=event, at=at, data=data),
                email=email,
                language=language,
                attempts=attempts + 1,
            )
        )
    return mails


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
