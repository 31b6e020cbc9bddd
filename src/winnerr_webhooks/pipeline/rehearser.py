"""Rehearser: sends the requests of rehearsals, one after the other, and stores the answers.

It uses the attempter of deliveries, and so the same egress, address policy, headers and signature.
It settles nothing: no delivery, health figure or streak of failures changes.
"""

import asyncio
from typing import Final

import structlog

from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.errors import LocalShortage, Unavailable
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.domain.webhook import DELETED
from winnerr_webhooks.pipeline.attempter import Attempter
from winnerr_webhooks.pipeline.claimer import wait_up_to
from winnerr_webhooks.pipeline.loop_task import LoopTask
from winnerr_webhooks.pipeline.node_signals import NodeSignals
from winnerr_webhooks.storage.delivery_rows import event_of
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.storage.rehearsal_port import AnswerStart, RehearsalResult, RehearsalStep

POLL: Final = 30.0
"""Seconds between searches for rehearsals that no signal announced."""
LEASE_SLACK: Final = 20.0
"""Seconds that a lease is longer than the longest attempt."""

log = structlog.get_logger(__name__)


class Rehearser(LoopTask):
    """Runs rehearsals in one task, from `start` to `close`.

    Another node, or the next start, goes on with a rehearsal that is running.
    """

    def __init__(
        self, storage: Storage, attempter: Attempter, *, timeout: float, signals: NodeSignals
    ) -> None:
        super().__init__(self._rehearse_forever)
        self._storage = storage
        self._attempter = attempter
        self._lease_seconds = timeout + LEASE_SLACK
        self._wake = asyncio.Event()
        signals.job_created.connect(self._wake.set)

    async def _rehearse_forever(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._rehearse()
            except (Unavailable, LocalShortage) as error:
                log.warning("a rehearsal waits", reason=str(error))
            except Exception:
                log.exception("a rehearsal failed and is tried again")
            await wait_up_to(self._wake, POLL)

    async def _rehearse(self) -> None:
        """Run free rehearsals to their ends."""
        while step := await self._storage.rehearsal_step(None, self._lease_seconds):
            while step is not None:
                result = RehearsalResult(
                    rehearsal_id=step.rehearsal_id,
                    position=step.position,
                    answer=await self._answer(step),
                )
                step = await self._storage.rehearsal_step(result, self._lease_seconds)

    async def _answer(self, step: RehearsalStep) -> AnswerStart:
        """Send one request, signed with the webhook's secret as it is now."""
        targets = await self._storage.targets([step.webhook_id])
        if not targets or targets[0].status == DELETED:
            return _unsent(_DELETED)
        if step.body is None:
            return _unsent(_EVENT_IS_GONE)
        template = self._attempter.template(targets[0].at(step.url))
        delivery = LeasedDelivery(
            id=step.delivery_id,
            event_id=event_of(step.delivery_id),
            event=step.event,
            organization=step.organization,
            webhook_id=step.webhook_id,
            webhook_version=0,
            body=step.body,
            trigger="replay",  # a single attempt
            attempt=step.attempt,
        )
        record = (await self._attempter.attempt(template, delivery)).record
        return AnswerStart(
            record.outcome,
            record.exchange.status,
            record.exchange.duration_ms,
            record.error_message,
            record.exchange.response_body,
        )


_DELETED: Final = Text("The webhook was deleted.")
_EVENT_IS_GONE: Final = Text("The event is no longer stored.")
UNSENT_TEXTS: Final = (_DELETED, _EVENT_IS_GONE)
"""Why nothing was sent, which is stored in English."""


def _unsent(reason: Text) -> AnswerStart:
    return AnswerStart("failed", None, 0.0, str(reason), b"")
