"""Record: the last station. It settles attempts in batches, and keeps those it cannot store yet."""

import asyncio
from typing import Final

import structlog
from msgspec.structs import replace

from winnerr_webhooks.budgets import Budgets
from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.attempt import AttemptRecord
from winnerr_webhooks.domain.delivery import EXHAUSTED
from winnerr_webhooks.domain.errors import Poisoned, Unavailable
from winnerr_webhooks.ids import Jitter, id_ms
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.pipeline.batcher import Fifo
from winnerr_webhooks.pipeline.group_commit import GroupCommit, JoinableBatch
from winnerr_webhooks.pipeline.node_signals import NodeSignals
from winnerr_webhooks.pipeline.settler import Settler
from winnerr_webhooks.storage.road_port import Road
from winnerr_webhooks.storage.road_values import Settled, Settlement

BATCH: Final = 512
"""Attempts a batch, at most."""
GATHER_SECONDS: Final = 0.05
"""How long an idle recorder waits for more attempts before it commits. No caller waits for it. At
200 events a second, ten attempts share a commit (docs/adr/0033)."""
GATHER_SLACK: Final = 5.0
"""An attempt whose lease expires in fewer seconds is recorded at once: when the lease is over, the
delivery may be claimed again."""
CUT_ANSWER: Final = 1024
"""Bytes kept of an answer's head, in whole lines, and of its body, while memory for answers is
short."""
OVERHEAD: Final = 2048
"""About how many bytes an attempt takes in memory besides what it sent and received."""

Unrecorded = tuple[Settlement, int]
"""An attempt that is not in the database yet, and about how many bytes it holds."""

log = structlog.get_logger(__name__)


class Recorder:
    """Settles attempts; while the database is away it keeps them and tries again."""

    def __init__(
        self,
        storage: Road,
        metrics: Metrics,
        jitter: Jitter,
        budgets: Budgets,
        signals: NodeSignals,
        *,
        clock: Clock,
    ) -> None:
        self.stalled = False
        """Whether no attempt should start: those already made cannot be recorded now."""
        self.away = False
        """Whether that is because the database cannot be written to."""
        self._paused = False
        """Whether a log line said that delivery pauses."""
        self._metrics = metrics
        self._signals = signals
        self._monotonic = clock.monotonic
        self._attempts = budgets.unrecorded_attempts
        self._bytes = budgets.unrecorded_bytes
        self._most_attempts = self._attempts.bound.limit
        self._most_bytes = self._bytes.bound.limit
        self._settler = Settler(storage, jitter, self._pause)
        self._group: GroupCommit[Unrecorded, None] = GroupCommit(
            self._settle, Fifo(BATCH), gather_seconds=GATHER_SECONDS
        )
        self._loop = asyncio.get_running_loop()

    @property
    def unrecorded(self) -> int:
        """Attempts made that are not in the database yet."""
        return self._attempts.used

    def record(self, settlement: Settlement) -> None:
        """Settle an attempt with the next batch."""
        attempts, size = self._attempts.used + 1, _size(settlement.record)
        held = self._bytes.used + size
        if 2 * held > self._most_bytes:
            settlement = _with_cut_answer(settlement)
            cut = _size(settlement.record)
            held, size = held - size + cut, cut
        self._attempts.used, self._bytes.used = attempts, held
        self._group.put(((settlement, size), _log_failure))
        delivery = settlement.delivery
        if (
            delivery.trigger != "automatic"  # somebody waits for it
            or delivery.expires - self._monotonic() < GATHER_SLACK
        ):
            self._group.hurry()
        if attempts > self._most_attempts or held > self._most_bytes:
            self._stall()

    def _stall(self) -> None:
        if not self.stalled:
            (self._attempts if self._attempts.overdrawn else self._bytes).refuse()
        self.stalled = True

    async def close(self, seconds: float) -> None:
        """Return when every attempt is recorded, or after `seconds`; the rest is sent again."""
        self._settler.end_at(self._loop.time() + seconds)
        idle = self._loop.create_task(self._group.idle())
        await asyncio.wait({idle}, timeout=max(seconds, 0.0))
        idle.cancel()
        if self.unrecorded:
            log.error("attempts were not recorded and are made again", attempts=self.unrecorded)

    async def _settle(
        self, batch: list[Unrecorded], _joiners: JoinableBatch[Unrecorded]
    ) -> list[None]:
        settlements = [settlement for settlement, _ in batch]
        size = sum([size for _, size in batch])
        try:
            settled, kept = await self._settler.settle(settlements)
        except Unavailable:
            raise
        except Exception:
            if len(batch) == 1:  # a larger one comes again in halves
                self._count_recorded(1, size)
            raise
        if kept:
            settlements = [item for item in settlements if item not in kept]
            size -= sum(_size(item.record) for item in kept)
            for item in kept:
                self._group.put(((item, _size(item.record)), _log_failure))
        try:
            self._count_recorded(len(settlements), size)
            self._measure(settlements)
            self._follow_up(settlements, settled)
        except Exception:  # a fault of ours; what is recorded must not come again
            log.exception("what follows from attempts was not done", attempts=len(batch))
        return [None] * len(batch)

    def _measure(self, settlements: list[Settlement]) -> None:
        """Note in the metrics how long recorded attempts took, and when first ones started."""
        durations, failed, delays = [], [], []
        for settlement in settlements:
            if settlement.by_listener:  # those tell nothing about receivers
                continue
            record, delivery = settlement.record, settlement.delivery
            exchange = record.exchange
            durations.append(exchange.duration_ms / 1000)
            if record.error_kind is not None:
                failed.append(record.error_kind)
            if delivery.attempt == 1 and delivery.trigger == "automatic":
                delays.append((exchange.started_at - id_ms(delivery.event_id)) / 1000)
        self._metrics.attempts_made(durations, failed)
        self._metrics.first_attempts_started(delays)

    def _follow_up(self, settlements: list[Settlement], settled: Settled) -> None:
        """Do what follows from attempts that are recorded."""
        waits = []
        for settlement in settlements:
            verdict = settlement.verdict
            if verdict.error_kind is not None:
                _log_failed_attempt(settlement)
                if verdict.happened == EXHAUSTED:
                    self._metrics.delivery_failed()
            if verdict.retry_in is not None:
                waits.append(verdict.retry_in)
        if waits:
            self._signals.work_due(min(waits))
        if settled.is_due:
            self._signals.work_due(0.0)
        if settled.disabled:
            self._metrics.webhooks_disabled(len(settled.disabled))
            for webhook_id in settled.disabled:
                log.warning("webhook disabled", webhook=webhook_id)
            self._signals.webhooks_changed(settled.disabled)
            self._signals.job_created()

    def _count_recorded(self, attempts: int, size: int) -> None:
        """Count attempts as recorded; let delivery go on when they were the last of a stall."""
        self._attempts.used -= attempts
        self._bytes.used -= size
        if self.stalled and not self.unrecorded:
            # Not earlier: an attempt that is not recorded could be claimed and sent again.
            if self._paused:
                log.info("delivery goes on")
            self.stalled = self.away = self._paused = False
            self._signals.recording_resumed()

    def _pause(self, error: Unavailable, away: bool) -> None:  # noqa: FBT001  see `Settler`
        """Start no attempt until those already made are recorded."""
        if away and not self.away:
            log.warning("delivery pauses, the database is away", reason=error.detail)
        elif not self.stalled:
            log.warning("delivery pauses, attempts are not stored in time", reason=error.detail)
        self.away, self.stalled, self._paused = self.away or away, True, True


def _size(record: AttemptRecord) -> int:
    """About how many bytes an attempt holds until it is recorded."""
    exchange = record.exchange
    return (
        OVERHEAD
        + len(record.request_head)
        + len(exchange.response_head)
        + len(exchange.response_body)
    )


def _with_cut_answer(settlement: Settlement) -> Settlement:
    """The same attempt with only the beginning of its answer.

    So the large answers of one receiver do not pause delivery for the others.
    """
    exchange = settlement.record.exchange
    if max(len(exchange.response_head), len(exchange.response_body)) <= CUT_ANSWER:
        return settlement
    cut = replace(
        exchange,
        response_head=b"".join(exchange.response_head[:CUT_ANSWER].rpartition(b"\r\n")[:2]),
        response_body=exchange.response_body[:CUT_ANSWER],
        truncated=True,
    )
    return replace(settlement, record=replace(settlement.record, exchange=cut))


def _log_failed_attempt(settlement: Settlement) -> None:
    record, delivery = settlement.record, settlement.delivery
    exchange = record.exchange
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


def _log_failure(_answer: None, error: Exception | None) -> None:
    if isinstance(error, Poisoned):
        # Its lease expires. After five leases without a settled attempt, the delivery fails.
        log.error("an attempt cannot be recorded", reason=str(error))
    elif error is not None and not isinstance(error, Unavailable):
        log.error("settling failed", exc_info=error)
