"""Outbox mover: the loop that moves committed events from the outbox to the intake.

Every node runs one, and `news_poller` wakes it. The nodes take turns (`Outbox.next_events`), but
nothing rests on that:

- **Once.** The intake accepts an id once, and a row leaves the outbox only after that. A row whose
  node died in between is moved again, and is then a repeat.
- **In order.** An event is stored only after all earlier ones of its organization that this node
  could see were stored or refused (`Intake.accept_in_order`). See docs/adr/0025.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec
import structlog

from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.domain.errors import Invalid, Poisoned, Refused, TooLarge, Unavailable
from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.domain.submission import MAX_EVENT, new_event, read
from winnerr_webhooks.ids import Ids, Jitter
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.pipeline import repeated_events
from winnerr_webhooks.pipeline.claimer import wait_up_to
from winnerr_webhooks.pipeline.intake import Intake
from winnerr_webhooks.pipeline.node_signals import NodeSignals
from winnerr_webhooks.storage.outbox import EmittedEvent, Outbox
from winnerr_webhooks.storage.port import Log

POLL: Final = 5.0
"""Seconds between polls that no signal asked for."""
FEW: Final = 100
BUSY_PAUSE: Final = 0.05
"""After fewer events than FEW, seconds until the next poll: meanwhile more of them gather."""
RETRY_AFTER: Final = 1.0
"""Seconds for which an organization is left alone whose next event cannot be stored now."""
AWAY_WAIT: Final = 1.0
"""Seconds until the next try after an error."""
SLICE_EVENTS: Final = 50
SLICE_BYTES: Final = 256 * 1024
"""What is checked at once, about a millisecond of work; then other work gets a turn."""
CLOSING_SECONDS: Final = 2.0
"""How long a stop waits for events that are being moved; then they are left to another node."""
FAULT: Final = 500
"""The status that counts an event which is refused for a fault of ours or of the database."""

log = structlog.get_logger(__name__)


class OutboxMover:
    """The loop of one node."""

    def __init__(
        self,
        outbox: Outbox,
        events: Log,
        intake: Intake,
        *,
        catalog: Catalog,
        now_ms: Callable[[], int],
        ids: Ids,
        jitter: Jitter,
        metrics: Metrics,
        signals: NodeSignals,
    ) -> None:
        self._outbox = outbox
        self._log = events
        self._intake = intake
        self._catalog = catalog
        self._now_ms = now_ms
        self._ids = ids
        self._jitter = jitter
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._after = ""
        """The organization whose turn was last."""
        self._left_alone: dict[str, float] = {}
        """Until which loop time organizations are left alone."""
        self._filled = asyncio.Event()
        self._closing = asyncio.Event()
        signals.outbox_filled.connect(self._filled.set)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the loop."""
        self._task = self._loop.create_task(self._run())

    async def close(self) -> None:
        """Stop the loop. What it is moving now is finished, or is moved by another node."""
        self._closing.set()
        self._filled.set()
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=CLOSING_SECONDS)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        logged = ""
        while not self._closing.is_set():
            self._filled.clear()
            try:
                found = await self.move_some()
                logged = ""
            except Unavailable as error:
                if error.detail != logged:
                    log.warning(
                        "the outbox cannot be moved, and is tried again", reason=error.detail
                    )
                logged = error.detail
                await self._pause(self._jitter.around(AWAY_WAIT))
            except Exception:
                log.exception("moving the outbox failed and starts again")
                await self._pause(self._jitter.around(AWAY_WAIT))
            else:
                if not found:
                    await wait_up_to(self._filled, POLL)
                elif found < FEW:
                    await self._pause(BUSY_PAUSE)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    async def move_some(self) -> int:
        """Move some of the events that wait; return how many were found."""
        now = self._loop.time()
        self._left_alone = {name: end for name, end in self._left_alone.items() if end > now}
        rows = await self._outbox.next_events(
            self._after, tuple(self._left_alone), max_bytes=MAX_EVENT
        )
        if not rows:
            return 0
        self._after = max(row.organization for row in rows)
        moved: list[int] = []
        refused: dict[int, str] = {}
        waiting: list[tuple[EmittedEvent, NewEvent]] = []
        room = SLICE_BYTES
        for row in rows:
            try:
                waiting.append((row, self._check(row)))
            except Exception as error:  # noqa: BLE001  one event must not hold up all others
                refused[row.position] = self._refuse(error)
            room -= max(row.size, SLICE_BYTES // SLICE_EVENTS)
            if room <= 0:
                room = SLICE_BYTES
                await asyncio.sleep(0)
        answers = await self._intake.accept_in_order([event for _, event in waiting])
        for (row, event), answer in zip(waiting, answers, strict=True):
            try:
                await self._confirm(event, answer)
                moved.append(row.position)
            except Unavailable:
                self._left_alone[row.organization] = self._loop.time() + RETRY_AFTER
            except Exception as error:  # noqa: BLE001  likewise
                refused[row.position] = self._refuse(error)
        await self._outbox.settle(moved, refused)
        if refused:
            log.warning("events of the outbox were refused", events=len(refused))
        return len(rows)

    def _check(self, row: EmittedEvent) -> NewEvent:
        """Check an event by the rules of the API, in the form that the API takes it."""
        if row.size > MAX_EVENT:
            raise TooLarge(f"An event has at most {MAX_EVENT:,} bytes; its data have {row.size:,}.")
        raw = b'{"event":%b,"organizationId":%b,"data":%b,"timestamp":%b,"id":%b}' % (
            msgspec.json.encode(row.event),
            msgspec.json.encode(row.organization),
            b"null" if row.data is None else row.data.encode(),
            msgspec.json.encode(row.happened_at),
            msgspec.json.encode(row.client_id),
        )
        submission = read(raw, catalog=self._catalog, now_ms=self._now_ms())
        if submission.has_wrong_data:
            self._metrics.data_wrong()
        return new_event(submission, self._ids.new("evt"))

    async def _confirm(self, event: NewEvent, answer: Accepted | Exception) -> None:
        """Count an accepted event; raise the error of any other."""
        if not isinstance(answer, Accepted):
            raise answer
        if answer.conflict:
            answer = await repeated_events.compare(self._log, event, answer)
        repeated_events.confirm(answer, self._metrics)

    def _refuse(self, error: Exception) -> str:
        """Count a refused event; return the reason."""
        if isinstance(error, Refused):
            self._metrics.event_refused(error.status)
            if isinstance(error, Invalid) and len(error.errors) > 1:
                return " ".join(f"{pointer}: {message}" for pointer, message in error.errors)
            return error.detail
        self._metrics.event_refused(FAULT)
        if isinstance(error, Poisoned):
            return str(error)
        log.error("an event of the outbox is refused for a fault of ours", exc_info=error)
        return "This service has a fault, which its log describes. Report it, then retry the event."
