"""The part of the storage port for operational events and mails; see `storage.port`."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from winnerr_webhooks.domain.alerts import Alert, AlertSettings


class AlertMail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail to one address about an operational event."""

    alert: Alert
    email: str
    language: str | None
    """One of `LANGUAGES`; None: DEFAULT_LANGUAGE."""
    attempts: int
    """How often it has been claimed, this time included."""


class Alerts(Protocol):
    """Operational events about webhooks, and the mails that report them.

    Settling notes, in its own transaction, which webhooks it disabled and which have deliveries
    that failed. `raise_alerts` makes operational events of these notes and of streaks of failures.
    """

    async def alert_settings(self, organization: str) -> AlertSettings:
        """Return what an organization is told by mail, and where."""
        ...

    async def set_alert_settings(self, organization: str, settings: AlertSettings) -> None:
        """Set it, with an entry in the activity log if something differs."""
        ...

    async def raise_alerts(self, *, publish: bool, mail: bool) -> int:
        """Make the operational events that webhooks need now; return how many.

        An event is made once for each change of a webhook's state, even if several nodes call this
        at once. With `publish` it is stored for `waiting_alerts`. With `mail` a mail is stored, in
        the same transaction, for each address of an organization that wants the event. A call
        makes up to 100 events of each kind; more may be left.
        """
        ...

    async def waiting_alerts(self) -> Sequence[Alert]:
        """Return some events, oldest first, for which `drop_alert` was not called yet."""
        ...

    async def drop_alert(self, alert_id: str) -> None:
        """Delete an event that the intake has accepted."""
        ...

    async def claim_mails(self, lease_seconds: float) -> Sequence[AlertMail]:
        """Return some mails that are due, and lease them to this node."""
        ...

    async def delay_mail(self, mail: AlertMail, seconds: float) -> None:
        """Make a mail due again then."""
        ...

    async def drop_mail(self, mail: AlertMail) -> None:
        """Delete a mail that was sent, or is given up."""
        ...
