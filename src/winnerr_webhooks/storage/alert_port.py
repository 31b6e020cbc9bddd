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
    """What operators and organizations are told of webhooks.

    Settling notes, in its own transaction, which webhooks are disabled and which have deliveries
    that failed. `raise_alerts` makes events of that, and of streaks of failures.
    """

    async def alert_settings(self, organization: str) -> AlertSettings:
        """Return what an organization is told by mail, and where."""
        ...

    async def set_alert_settings(self, organization: str, settings: AlertSettings) -> None:
        """Set it; the activity log has the change. What stays as it was makes no entry."""
        ...

    async def raise_alerts(self, *, publish: bool, mail: bool) -> int:
        """Make the operational events that are to be told now; return how many.

        Each is made once for a change of a webhook's state, by one of the nodes that ask at once;
        so are its mails, in the same transaction. `publish`: store it for `waiting_alerts`;
        `mail`: store a mail for each address of an organization that wants the event. A call makes
        some events of each kind; more may be left.
        """
        ...

    async def waiting_alerts(self) -> Sequence[Alert]:
        """Return some events, oldest first, that no node has confirmed to be accepted."""
        ...

    async def drop_alert(self, alert_id: str) -> None:
        """Confirm that an event is accepted."""
        ...

    async def claim_mails(self, lease_seconds: float) -> Sequence[AlertMail]:
        """Return some mails that are due, for this node alone until the lease ends."""
        ...

    async def delay_mail(self, mail: AlertMail, seconds: float) -> None:
        """Make a mail due again then."""
        ...

    async def drop_mail(self, mail: AlertMail) -> None:
        """Forget a mail: it was sent, or is given up."""
        ...
