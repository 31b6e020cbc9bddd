"""The verbs of operational events and of the mails about them."""

from functools import partial

from winnerr_webhooks.domain import activity
from winnerr_webhooks.domain.activity import FieldChange
from winnerr_webhooks.domain.alerts import Alert, AlertSettings
from winnerr_webhooks.storage import alert_queries
from winnerr_webhooks.storage.alert_port import AlertMail
from winnerr_webhooks.storage.alert_queries import Outlets
from winnerr_webhooks.storage.database_session import Session
from winnerr_webhooks.storage.verb_base import VerbBase


class AlertVerbs(VerbBase):
    """`storage.alert_port.Alerts`; see there for what each verb promises."""

    async def alert_settings(self, organization: str) -> AlertSettings:
        """Return what an organization is told by mail, and where."""
        return await self._read_for(
            organization, lambda db: alert_queries.alert_settings(db, organization)
        )

    async def set_alert_settings(self, organization: str, settings: AlertSettings) -> None:
        """Set it."""
        recorder = self._recorder()

        async def change(db: Session) -> None:
            await db.execute("lock_organization", organization=organization)
            before = await alert_queries.alert_settings(db, organization)
            changes = [
                FieldChange(field, getattr(before, field), getattr(settings, field))
                for field in ("emails", "events", "language")
                if getattr(before, field) != getattr(settings, field)
            ]
            if changes:
                await alert_queries.put_alert_settings(db, organization, settings)
                await recorder.record(db, organization, activity.ALERTS_CHANGED, changes=changes)

        await self._write(change)

    async def raise_alerts(self, *, publish: bool, mail: bool) -> int:
        """Make the operational events that webhooks need now."""
        outlets = Outlets(publish, mail)
        # One transaction each: none holds rows that another one asks for.
        return sum(
            [await self._write(partial(self._raise, step, outlets)) for step in alert_queries.STEPS]
        )

    async def _raise(self, step: alert_queries.Step, outlets: Outlets, db: Session) -> int:
        now = self._clock.now_ms()
        event, found = await step(db, now)
        if not found:
            return 0
        ids = [self._ids.new("alr") for _ in found]
        return await alert_queries.add_alerts(db, event, found, outlets, ids=ids, now=now)

    async def waiting_alerts(self) -> list[Alert]:
        """Return events to publish."""
        return await self._read(alert_queries.waiting_alerts)

    async def drop_alert(self, alert_id: str) -> None:
        """Delete an event that is accepted."""
        await self._write(lambda db: db.execute("drop_alert", id=alert_id))

    async def claim_mails(self, lease_seconds: float) -> list[AlertMail]:
        """Return mails for this node."""
        lease_ms = round(lease_seconds * 1000)
        return await self._write(
            lambda db: alert_queries.claim_mails(db, self._clock.now_ms(), lease_ms)
        )

    async def delay_mail(self, mail: AlertMail, seconds: float) -> None:
        """Make a mail due again then."""
        due_at = self._clock.now_ms() + round(seconds * 1000)
        await self._write(
            lambda db: db.execute(
                "delay_mail", alert=mail.alert.id, email=mail.email, due_at=due_at
            )
        )

    async def drop_mail(self, mail: AlertMail) -> None:
        """Delete a mail."""
        await self._write(lambda db: db.execute("drop_mail", alert=mail.alert.id, email=mail.email))
