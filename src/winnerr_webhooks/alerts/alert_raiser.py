"""Alert raiser: the loop that makes operational events, and hands them to the intake.

Every node that delivers runs one; the database makes each event once. An event leaves the database
only after the intake has accepted it. If a node dies in between, another one hands it over again,
and the intake recognizes its id.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from winnerr_webhooks.domain.alerts import OPERATOR, Alert
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.domain.event import NewEvent, encode_payload, fingerprint, rfc3339
from winnerr_webhooks.ids import Ids, Jitter
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.pipeline.intake import Intake
from winnerr_webhooks.pipeline.loop_task import LoopTask
from winnerr_webhooks.storage.alert_port import Alerts

POLL: Final = 10.0
"""Seconds between two searches for webhooks that need an event."""

log = structlog.get_logger(__name__)


class AlertRaiser(LoopTask):
    """The loop of one node."""

    def __init__(
        self,
        storage: Alerts,
        intake: Intake,
        *,
        publish: bool,
        mail: bool,
        on_raised: Callable[[], None],
        ids: Ids,
        jitter: Jitter,
        metrics: Metrics,
    ) -> None:
        """Create it. `publish`: to OPERATIONAL_URL; `mail`: there is an SMTP server.

        `on_raised` is called when there are new mails.
        """
        super().__init__(self._raise_forever)
        self._storage = storage
        self._intake = intake
        self._publish = publish
        self._mail = mail
        self._on_raised = on_raised
        self._ids = ids
        self._jitter = jitter
        self._metrics = metrics

    async def _raise_forever(self) -> None:
        logged = ""
        while True:
            await asyncio.sleep(self._jitter.around(POLL))
            try:
                await self.raise_due()
                logged = ""
            except Unavailable as error:
                if error.detail != logged:
                    log.warning("operational events wait", reason=error.detail)
                logged = error.detail
            except Exception:
                log.exception("operational events cannot be made, which is tried again")

    async def raise_due(self) -> None:
        """Make the events that webhooks need now, and hand all that are stored to the intake."""
        while count := await self._storage.raise_alerts(publish=self._publish, mail=self._mail):
            log.info("made operational events", events=count)
            self._on_raised()
        if not self._publish:
            return
        while alerts := await self._storage.waiting_alerts():
            for alert in alerts:
                answer = await self._intake.accept(_event(alert, self._ids.new("evt")))
                await self._storage.drop_alert(alert.id)
                if not answer.duplicate:
                    self._metrics.operational_event_accepted()


def _event(alert: Alert, event_id: str) -> NewEvent:
    """Return an event of the organization `OPERATOR`; its idempotency key is the alert's id."""
    data = alert.data.encode()
    return NewEvent(
        id=event_id,
        organization=OPERATOR,
        name=alert.event,
        body=encode_payload(alert.event, rfc3339(alert.at), OPERATOR, data),
        client_id=alert.id,
        fingerprint=fingerprint(alert.event, data),
    )
