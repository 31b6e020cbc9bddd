"""The verbs of listeners, on either database.

A listener is a webhook whose attempts are made by a program that is connected (`listen`). It has an
owner's name (`identity`) and the instant when its program was last connected. Its deliveries are
claimed and settled like all others. A listener that has ended is a paused webhook without
subscriptions, so that events make no rows for it. Its secret stays.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from winnerr_webhooks.crypto import Sealer
from winnerr_webhooks.domain import activity
from winnerr_webhooks.domain.errors import Conflict
from winnerr_webhooks.domain.webhook import ACTIVE, PAUSED, Webhook
from winnerr_webhooks.storage import webhook_queries
from winnerr_webhooks.storage.acting import ActivityRecorder
from winnerr_webhooks.storage.database_session import Session
from winnerr_webhooks.storage.settling import leave_active
from winnerr_webhooks.storage.values import COUNT_LIMIT, NewWebhook, WebhookChange
from winnerr_webhooks.storage.verb_base import VerbBase
from winnerr_webhooks.storage.webhook_columns import new_columns

_SLICE: Final = 100
"""Stale listeners that are ended at once, at most."""


class ListenerVerbs(VerbBase):
    """`storage.port.Listeners`; see there for what each verb promises."""

    async def open_listener(self, new: NewWebhook, identity: str, limit: int) -> Webhook:
        """Find or make a listener, and subscribe it."""
        recorder = self._recorder()

        async def open_(db: Session) -> Webhook:
            now = self._clock.now_ms()
            return await _open(db, new, self._keyring, identity, recorder, limit=limit, now=now)

        return await self._write(open_)

    async def see_listeners(self, webhook_ids: Sequence[str]) -> None:
        """Note that the programs of these listeners are connected now."""
        asked = sorted(webhook_ids)
        await self._write(
            lambda db: db.execute("see_listeners", webhooks=asked, now=self._clock.now_ms())
        )

    async def due_listeners(self, webhook_ids: Sequence[str]) -> list[str]:
        """Return which of these listeners have deliveries that are due."""
        rows = await self._read_for_road(
            lambda db: db.fetch(
                "due_listeners", webhooks=list(webhook_ids), now=self._clock.now_ms()
            )
        )
        return [row[0] for row in rows]

    async def end_stale_listeners(self, unseen_seconds: float) -> list[str]:
        """End listeners without a program, and those that have fallen too far behind."""
        stale = {
            "before": self._clock.now_ms() - round(unseen_seconds * 1000),
            "most_waiting": COUNT_LIMIT,
        }
        found = await self._read(lambda db: db.fetch("stale_listeners", slice=_SLICE, **stale))
        if not found:
            return []
        return await self._write_slice(
            lambda db: _end_stale(db, found, stale, self._clock.now_ms())
        )


async def _open(
    db: Session,
    new: NewWebhook,
    keyring: Sealer,
    identity: str,
    recorder: ActivityRecorder,
    *,
    limit: int,
    now: int,
) -> Webhook:
    organization = new.organization
    await db.execute("lock_organization", organization=organization)
    webhook_id = await db.fetch_value("find_listener", organization=organization, identity=identity)
    if webhook_id is None:
        await _make_room(db, organization, limit, now)
        columns = new_columns(new, keyring)
        opened = await webhook_queries.create(db, new, columns, webhook_queries.MAX_NUMBER, now)
        await recorder.record(
            db, organization, activity.LISTENER_OPENED, subject=opened.id, url=new.url
        )
    else:
        change = WebhookChange(url=new.url, events=new.events, status=ACTIVE)
        changed = await webhook_queries.change(
            db, organization, webhook_id, change, now, keyring=keyring, recovery_id=None
        )
        assert changed is not None  # noqa: S101  found in this very transaction
        opened = changed
        await webhook_queries.subscribe(db, organization, opened.id, new.events)
    await db.execute("name_listener", webhook=opened.id, identity=identity, now=now)
    return opened


async def _make_room(db: Session, organization: str, limit: int, now: int) -> None:
    """Delete the listener that was not connected for longest, if there are too many."""
    if await db.fetch_value("count_listeners", organization=organization) < limit:
        return
    webhook_id = await db.fetch_value("longest_unseen_listener", organization=organization)
    if webhook_id is None:
        raise Conflict(
            f"{limit} listeners of this organization are in use, and no more are allowed: "
            "end one, and try again in 15 minutes."
        )
    await webhook_queries.delete(db, organization, webhook_id, now)


async def _end_stale(
    db: Session, found: Sequence[tuple[str, str]], stale: Mapping[str, int], now: int
) -> list[str]:
    """End those of the found listeners (id, organization) that are still stale."""
    organizations = dict(found)
    # All are locked before the first of them takes the change mark.
    await db.execute("lock_streaks", webhooks=sorted(organizations))
    rows = await db.fetch("lock_stale_listeners", webhooks=sorted(organizations), **stale)
    ended = [row[0] for row in rows]
    for webhook_id in ended:
        await db.execute("unsubscribe", organization=organizations[webhook_id], webhook=webhook_id)
        await leave_active(db, webhook_id, PAUSED, None, now)
    return ended
