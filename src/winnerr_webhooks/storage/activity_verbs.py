"""The verbs of the activity log."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from winnerr_webhooks.domain.activity import Activity, Actor, FieldChange
from winnerr_webhooks.ids import id_floor
from winnerr_webhooks.storage.activity_port import ActivityFilter, ActivityPage
from winnerr_webhooks.storage.database_session import Session
from winnerr_webhooks.storage.log_scan import MAX_ROWS, NEWEST
from winnerr_webhooks.storage.verb_base import VerbBase

_changes: Final = msgspec.json.Decoder(tuple[FieldChange, ...])
_details: Final = msgspec.json.Decoder(dict[str, Any])


class ActivityVerbs(VerbBase):
    """`storage.activity_port.ActivityLog`; see there for what each verb promises."""

    async def activity(self, query: ActivityFilter) -> ActivityPage:
        """Return entries by filter."""
        return await self._read_for(query.organization, lambda db: page(db, query))

    async def record_activity(
        self,
        organization: str,
        action: str,
        *,
        webhook: str | None = None,
        subject: str | None = None,
        **details: Any,
    ) -> None:
        """Add an entry."""
        recorder = self._recorder()
        await self._write(
            lambda db: recorder.record(
                db, organization, action, webhook=webhook, subject=subject, **details
            )
        )


async def page(db: Session, query: ActivityFilter) -> ActivityPage:
    """Return a page of entries; see `ActivityLog.activity`."""
    before = query.before or NEWEST
    if query.until is not None:
        before = min(before, id_floor("act", query.until))
    bounds = {
        "organization": query.organization,
        "before": before,
        "floor": "" if query.since is None else id_floor("act", query.since),
    }
    filters = {"webhook": query.webhook, "actor": query.actor, "action": query.action}
    rows = await db.fetch(
        "list_activity", **bounds, **filters, most=MAX_ROWS, limit=query.limit + 1
    )
    items = [_activity(row) for row in rows[: query.limit]]
    if len(rows) > query.limit:
        return ActivityPage(items=items, next=items[-1].id)
    if all(value is None for value in filters.values()):
        return ActivityPage(items=items, next=None)
    stopped_at = await db.fetch_value("activity_after", **bounds, skipped=MAX_ROWS - 1)
    return ActivityPage(items=items, next=stopped_at)


def _activity(row: Sequence[Any]) -> Activity:
    id_, organization, action, webhook_id, url, webhook_name, subject, *actor, changes, details = (
        row
    )
    kind, actor_id, name, address = actor
    return Activity(
        id=id_,
        organization=organization,
        action=action,
        actor=Actor(kind=kind, id=actor_id, name=name, address=address),
        webhook_id=webhook_id,
        webhook_url=url,
        webhook_name=webhook_name,
        subject=subject,
        changes=_changes.decode(changes),
        details=_details.decode(details),
    )
