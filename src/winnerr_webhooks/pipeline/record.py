"""Record: the last station. It settles attempts in groups, and keeps those it cannot store yet."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog
from msgspec.structs import replace

from winnerr_webhooks.budgets import Budgets
from winnerr_webhooks.domain.attempt import AttemptRecord
from winnerr_webhooks.domain.delivery import EXHAUSTED
from winnerr_webhooks.domain.errors import Poisoned, TimedOut, Unavailable
from winnerr_webhooks.ids import Jitter, id_ms
from winnerr_webhooks.pipeline.batcher import Fifo
from winnerr_webhooks.pipeline.group_commit import GroupCommit, JoinableBatch
from winnerr_webhooks.pipeline.node_signals import NodeSignals
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.storage.values import Settled, Settlement
from winnerr_webhooks.telemetry import Metrics

BATCH: Final = 512
FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 2.0
CUT: Final = 8
"""A batch that was not stored in time is stored again in eighths. It takes three such steps from
512 attempts to a single one, and each step costs the full time limit of a statement."""
TRIES: Final = 3
"""How often storing one attempt alone may time out while others are stored; then it is set
aside."""
SLOW: Final = 6
"""Timeouts without one success between them that tell a slow database from a single attempt that is
too much: one more than it takes to cut a batch down to that attempt, with some room."""
CUT_ANSWER: Final = 1024
"""Bytes of an answer's head, in whole lines, and of its body, while memory for answers is short."""
OVERHEAD: Final = 2048
"""Bytes of an attempt in memory besides what it sent and received, about."""

log = structlog.get_logger(__name__)


class Recorder:
    """Settles attempts; while the database is away it keeps them and tries again."""

    def __init__(
        self,
        storage: Storage,
        metrics: Metrics,
        jitter: Jitter,
        budgets: Budgets,
        signals: NodeSignals,
    ) -> None:
        self.stalled = False
        """Whether no attempt should start: what was made cannot be recorded now."""
        self.away = False
        """Whether that is so because the database could not be written to."""
        self._paused = False
        """Whether a log line said that delivery pauses."""
        self._signals = signals
        self._storage = storage
        self._metrics = metrics
        self._jitter = jitter
        self._attempts = budgets.unrecorded_attempts
        self._bytes = budgets.unrecorded_bytes
        self._group: GroupCommit[Settlement, None] = GroupCommit(self._settle, Fifo(BATCH))
        self._loop = asyncio.get_running_loop()
        self._suspects: dict[str, tuple[int, int]] = {}
        """Attempts that timed out alone: how often that counted, and `_stored` at the last time."""
        self._stored = 0
        """Attempts stored so far."""
        self._timeouts = 0
        """Timeouts since the last success."""
        self._ends = float("inf")
        """The loop's instant at which nothing is tried again: the node stops."""

    @property
    def unrecorded(self) -> int:
        """Attempts made that are not in the database yet."""
        return self._attempts.used

    def record(self, settlement: Settlement) -> None:
        """Settle one attempt with the next group."""
        size = _size(settlement.record)
        if 2 * (self._bytes.used + size) > self._bytes.bound.limit:
            settlement = _with_cut_answer(settlement)
            size = _size(settlement.record)
        self._group.put(settlement, _watch)
        self._attempts.used += 1
        self._bytes.used += size
        record = settlement.record
        self._metrics.attempt_made(record.error_kind, record.exchange.duration_ms / 1000)
        delivery = settlement.delivery
        if delivery.attempt == 1 and delivery.trigger == "automatic":
            called_at = id_ms(delivery.event_id)
            self._metrics.first_attempt_begun((record.exchange.started_at - called_at) / 1000)
        if self._attempts.exhausted or self._bytes.exhausted:
            self._stall()

    def _stall(self) -> None:
        if not self.stalled:
            (self._attempts if self._attempts.exhausted else self._bytes).refuse()
        self.stalled = True

    async def close(self, seconds: float) -> None:
        """Return when every attempt is recorded, or after `seconds`; the rest is sent again."""
        self._ends = self._loop.time() + seconds
        idle = self._loop.create_task(self._group.idle())
        await asyncio.wait({idle}, timeout=max(seconds, 0.0))
        idle.cancel()
        if self.unrecorded:
            log.error("attempts were not recorded and are made again", attempts=self.unrecorded)

    async def _settle(
        self, batch: list[Settlement], _late: JoinableBatch[Settlement]
    ) -> list[None]:
        try:
            settled, kept = await self._store(batch)
        except Unavailable:
            raise
        except Exception:
            if len(batch) == 1:  # a larger one comes again in halves
                self._done_with(batch)
            raise
        done = [item for item in batch if item not in kept] if kept else batch
        for item in kept:
            self._group.put(item, _watch)
        try:
            self._done_with(done)
            self._follow(done, settled)
        except Exception:  # a fault of ours; what is recorded must not come again
            log.exception("what follows from attempts was not done", attempts=len(batch))
        return [None] * len(batch)

    def _follow(self, batch: list[Settlement], settled: Settled) -> None:
        """Tell others what follows from attempts that are recorded."""
        for settlement in batch:
            _log_attempt(settlement)
            if settlement.verdict.happened == EXHAUSTED:
                self._metrics.failed_for_good()
        waits = [item.verdict.retry_in for item in batch if item.verdict.retry_in is not None]
        if waits:
            self._signals.work_due(min(waits))
        if settled.replays_due:
            self._signals.work_due(0.0)
        if settled.disabled:
            self._metrics.webhooks_disabled(len(settled.disabled))
            for webhook_id in settled.disabled:
                log.warning("webhook disabled", webhook=webhook_id)
            self._signals.webhooks_changed(settled.disabled)
            self._signals.job_created()

    def _done_with(self, batch: Sequence[Settlement]) -> None:
        """Go on when these were the last: recorded now, or never."""
        self._attempts.used -= len(batch)
        self._bytes.used -= sum(_size(item.record) for item in batch)
        if self.stalled and not self.unrecorded:
            # Not before: what was attempted meanwhile could be claimed and sent a second time.
            if self._paused:
                log.info("delivery goes on")
            self.stalled = self.away = self._paused = False
            self._signals.recording_resumed()

    async def _store(self, batch: list[Settlement]) -> tuple[Settled, list[Settlement]]:
        """Settle a batch, in smaller parts when the whole cannot be stored in time.

        Also gives the attempts that timed out alone: they are tried again with the next batch, and
        set aside once that happened TRIES times while other attempts were stored. While nothing at
        all can be stored, everything is kept and tried again.
        """
        parts = deque(self._parts(batch))
        stored: list[Settled] = []
        kept: list[Settlement] = []
        wait = FIRST_WAIT
        if self._suspects and all(item.record.id in self._suspects for item in batch):
            await self._wait(LONGEST_WAIT)  # nothing else waits to be stored
        while parts:
            part = parts.popleft()
            try:
                stored.append(await self._storage.settle(part))
            except TimedOut as error:
                self._timeouts += 1
                if self._timeouts <= SLOW:
                    if len(part) > 1:
                        parts.extendleft(reversed(_cut(part)))
                    elif not self._is_at_fault(part[0], error):
                        kept.append(part[0])
                    continue
                parts.append(part)
                self._pause(error, away=False)
            except Unavailable as error:
                parts.appendleft(part)
                self._pause(error, away=True)
            else:
                self._note_stored(part)
                wait = FIRST_WAIT
                continue
            await self._wait(wait)
            wait = min(2 * wait, LONGEST_WAIT)
        return Settled.together(stored), kept

    def _parts(self, batch: list[Settlement]) -> list[list[Settlement]]:
        """What has timed out alone before stays alone, and comes last."""
        if not self._suspects:
            return [batch]
        suspects = [[item] for item in batch if item.record.id in self._suspects]
        others = [item for item in batch if item.record.id not in self._suspects]
        return [others, *suspects] if others else suspects

    def _note_stored(self, part: list[Settlement]) -> None:
        self._stored += len(part)
        self._timeouts = 0
        if self._suspects:
            for item in part:
                self._suspects.pop(item.record.id, None)

    def _is_at_fault(self, item: Settlement, error: TimedOut) -> bool:
        """Whether an attempt timed out alone too often while others were stored; then it is out."""
        tries, stored = self._suspects.get(item.record.id, (0, -1))
        if self._stored > stored:
            tries += 1
        self._suspects[item.record.id] = tries, self._stored
        if tries < TRIES:
            return False
        del self._suspects[item.record.id]
        _set_aside(item, error)
        return True

    async def _wait(self, seconds: float) -> None:
        """Wait before the next try; `Unavailable` when the node stops before that."""
        seconds = self._jitter.around(seconds)
        if self._loop.time() + seconds > self._ends:
            raise Unavailable("The node stops.")
        await asyncio.sleep(seconds)

    def _pause(self, error: Unavailable, *, away: bool) -> None:
        """Start no attempt until what was made is recorded."""
        if away and not self.away:
            log.warning("delivery pauses, the database is away", reason=error.detail)
        elif not self.stalled:
            log.warning("delivery pauses, attempts are not stored in time", reason=error.detail)
        self.away, self.stalled, self._paused = self.away or away, True, True


def _cut(part: list[Settlement]) -> list[list[Settlement]]:
    size = max(1, len(part) // CUT)
    return [part[at : at + size] for at in range(0, len(part), size)]


def _size(record: AttemptRecord) -> int:
    """Bytes that an attempt holds until it is recorded, about."""
    exchange = record.exchange
    return (
        OVERHEAD
        + len(record.request_head)
        + len(exchange.response_head)
        + len(exchange.response_body)
    )


def _with_cut_answer(settlement: Settlement) -> Settlement:
    """The same attempt with the beginning of its answer: no receiver's size stalls the others."""
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


def _set_aside(settlement: Settlement, error: TimedOut) -> None:
    """Leave one attempt out of the log: its lease runs out, and the delivery is attempted anew."""
    delivery = settlement.delivery
    log.error(
        "an attempt cannot be recorded in time and is set aside",
        attempt=settlement.record.id,
        delivery=delivery.id,
        webhook=delivery.webhook_id,
        organization=delivery.organization,
        reason=error.detail,
    )


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
