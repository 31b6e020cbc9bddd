"""Record: the last station. Attempts are settled in groups, and none that was made is lost."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from winnerr_webhooks.domain.errors import Poisoned, Unavailable
from winnerr_webhooks.ids import Jitter
from winnerr_webhooks.pipeline.group_commit import GroupCommit, Latecomers
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.storage.values import Settled, Settlement
from winnerr_webhooks.telemetry import Metrics

BATCH: Final = 512
UNRECORDED: Final = 4_000
"""Attempts made but not recorded that are kept in memory; from then on none is started."""
FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 2.0
SLOW: Final = 1.0
"""Seconds; a batch that fails after that was too large, perhaps: who is away fails sooner."""

log = structlog.get_logger(__name__)


class Recorder:
    """Settles attempts; while the database is away it keeps them and tries again."""

    def __init__(self, storage: Storage, metrics: Metrics, jitter: Jitter) -> None:
        self.stalled = False
        """Whether no attempt should start: what was made cannot be recorded now."""
        self.away = False
        """Whether that is so because the database could not be written to."""
        self.unrecorded = 0
        """Attempts made that are not in the database yet."""
        self.on_resume: Callable[[], None] = _nothing
        self.on_retry_due: Callable[[float], None] = _nothing_in
        """Told the seconds until a delivery just settled is due again."""
        self.on_disabled: Callable[[tuple[str, ...]], None] = _nothing_about
        self._storage = storage
        self._metrics = metrics
        self._jitter = jitter
        self._group: GroupCommit[Settlement, None] = GroupCommit(
            self._settle, batch=BATCH, waiting=10 * UNRECORDED
        )
        self._closing = False

    def record(self, settlement: Settlement) -> None:
        """Settle one attempt with the next group."""
        self._group.put(settlement, _watch)
        self.unrecorded += 1
        record = settlement.record
        self._metrics.attempt_made(record.error_kind, record.exchange.duration_ms / 1000)
        if self.unrecorded > UNRECORDED:
            self.stalled = True

    async def close(self) -> None:
        """Return when every attempt is recorded, or the database is away and cannot take them."""
        self._closing = True
        await self._group.idle()

    async def _settle(self, batch: list[Settlement], _late: Latecomers[Settlement]) -> list[None]:
        try:
            settled = await self._store(batch)
        except Unavailable:
            raise
        except Exception:
            if len(batch) == 1:  # a larger one comes again in halves
                self._done_with(batch)
            raise
        try:
            self._done_with(batch)
            self._follow(batch, settled)
        except Exception:  # a fault of ours; what is recorded must not come again
            log.exception("what follows from attempts was not done", attempts=len(batch))
        return [None] * len(batch)

    def _follow(self, batch: list[Settlement], settled: Settled) -> None:
        """Tell others what follows from attempts that are recorded."""
        for settlement in batch:
            _log_attempt(settlement)
        waits = [item.verdict.retry_in for item in batch if item.verdict.retry_in is not None]
        if waits:
            self.on_retry_due(min(waits))
        if settled.replays_due:
            self.on_retry_due(0.0)
        if settled.disabled:
            self.on_disabled(settled.disabled)

    def _done_with(self, batch: list[Settlement]) -> None:
        """Go on when these were the last: recorded now, or never."""
        self.unrecorded -= len(batch)
        if self.stalled and not self.unrecorded:
            # Not before: what was attempted meanwhile could be claimed and sent a second time.
            self.stalled = self.away = False
            self.on_resume()

    async def _store(self, batch: list[Settlement]) -> Settled:
        """Settle a batch, in smaller parts where a whole one cannot be stored in time.

        Each part that took long and failed is followed by one of half its size: large answers over
        a slow line would otherwise be sent again and again for ever.
        """
        loop = asyncio.get_running_loop()
        parts: list[Settled] = []
        at, size, wait = 0, len(batch), FIRST_WAIT
        while at < len(batch):
            began = loop.time()
            try:
                parts.append(await self._storage.settle(batch[at : at + size]))
            except Unavailable as error:
                self._pause(batch, error)
                if loop.time() - began > SLOW:
                    size = max(1, size // 2)
                await asyncio.sleep(self._jitter.around(wait))
                wait = min(2 * wait, LONGEST_WAIT)
            else:
                at, size, wait = at + size, 2 * size, FIRST_WAIT
        return Settled.together(parts)

    def _pause(self, batch: list[Settlement], error: Unavailable) -> None:
        """Start no attempt until what was made is recorded; at the end give up instead."""
        if self._closing:
            log.error("attempts not recorded", attempts=len(batch), reason=error.detail)
            raise error
        was_away, self.away, self.stalled = self.away, True, True
        if not was_away:
            log.warning("delivery pauses, the database is away", reason=error.detail)


def _log_attempt(settlement: Settlement) -> None:
    record = settlement.record
    if record.outcome == "succeeded":
        return
    delivery, exchange = settlement.delivery, record.exchange
    log.info(
        "attempt failed",
        attempt=record.id,
        delivery=delivery.id,
        webhook=delivery.webhook_id,
        organization=delivery.organization,
        event_type=delivery.event,
        number=delivery.attempt,
        trigger=delivery.trigger,
        kind=record.error_kind,
        code=record.error_code,
        status=exchange.status,
        ms=round(exchange.duration_ms, 1),
        next=settlement.verdict.happened,
    )


def _watch(_answer: None, error: Exception | None) -> None:
    if isinstance(error, Poisoned):
        # Its lease runs out; five leases without a settled attempt, and the delivery has failed.
        log.error("an attempt cannot be recorded", reason=str(error))
    elif error is not None and not isinstance(error, Unavailable):
        log.error("settling failed", exc_info=error)


def _nothing() -> None:
    return


def _nothing_in(_seconds: float) -> None:
    return


def _nothing_about(_webhooks: tuple[str, ...]) -> None:
    return
