"""Listener hub: this node's connected listeners. It claims their deliveries and records answers.

A listener is a lane whose attempts are made by a program elsewhere (docs/adr/0026). The dispatcher
leaves its deliveries in the database. While a program is connected, the hub claims as many as it
has places for, and offers them on its stream. Its answer is recorded as an attempt. An offer that
is not answered in time ends the stream, and what was not answered goes back to the database, to be
offered again. A delivery has one attempt unless somebody replays it.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

import msgspec
import structlog

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.attempt import AttemptRecord, Exchange, Failure, Timings
from winnerr_webhooks.domain.branding import Branding
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.errors import Conflict, Misdirected, NotFound, Unavailable
from winnerr_webhooks.domain.retry import Jitter
from winnerr_webhooks.domain.verdict import SuccessRule, judge
from winnerr_webhooks.domain.webhook import ACTIVE, DELETED, Target
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.pipeline.claimer import wait_up_to
from winnerr_webhooks.pipeline.lease_releaser import LeaseReleaser
from winnerr_webhooks.pipeline.listener_stream import (
    ENDED,
    HELD_BYTES,
    REPLACED,
    STALLED,
    STOPPING,
    ListenerStream,
    Offer,
)
from winnerr_webhooks.pipeline.node_signals import NodeSignals
from winnerr_webhooks.pipeline.record import Recorder
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.storage.road_values import Claim, Settlement

POLL_SECONDS: Final = 0.2
"""Seconds between two searches for due deliveries of the connected listeners."""
CHECK_SECONDS: Final = 5.0
"""Seconds until a stream notices that its listener was changed, paused or deleted."""
SEEN_SECONDS: Final = 60.0
"""Seconds between two notes in the database that these listeners are connected."""
ANSWER_SLACK: Final = 20.0
"""Seconds beyond DELIVERY_TIMEOUT that an answer may take. The program keeps the timeout itself,
and waits for at most 15 s for a receiver that is being restarted. One that does not answer by then
sleeps, is stopped, or has lost the network."""

log = structlog.get_logger(__name__)


class ListenerAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a program reports about one request: a status, a failure, or both."""

    duration_ms: float
    status: int | None = None
    reason: str = ""
    response_head: bytes = b""
    response_body: bytes = b""
    truncated: bool = False
    timings: Timings = msgspec.field(default_factory=Timings)
    failure: Failure | None = None


class ListenerHub:
    """All streams of a node. Without streams it does nothing."""

    def __init__(
        self,
        storage: Storage,
        recorder: Recorder,
        releaser: LeaseReleaser,
        *,
        success: SuccessRule,
        branding: Branding,
        timeout: float,
        lease_seconds: float,
        clock: Clock,
        ids: Ids,
        jitter: Jitter,
        signals: NodeSignals,
    ) -> None:
        self._storage = storage
        self._recorder = recorder
        self._releaser = releaser
        self._success = success
        self._branding = branding
        self._answer_seconds = timeout + ANSWER_SLACK
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._ids = ids
        self._jitter = jitter
        self._streams: dict[str, ListenerStream] = {}
        self._wake = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None
        self._seen_at = self._checked_at = float("-inf")
        self._open = True
        signals.work_due.connect(lambda _seconds: self._wake.set())

    def __len__(self) -> int:
        return len(self._streams)

    # --- streams ------------------------------------------------------------------------------

    async def find(self, organization: str, webhook_id: str) -> Target:
        """Return a listener whose stream may begin here.

        Raises `NotFound` if the organization has no such listener, `Conflict` if it has ended, and
        `Unavailable` while this node stops.
        """
        if not self._open:
            raise Unavailable("This node is stopping. Connect again.")
        target = next(iter(await self._storage.targets([webhook_id])), None)
        if (
            target is None
            or target.status == DELETED
            or target.organization != organization
            or not target.by_listener
        ):
            raise NotFound(f"There is no listener {webhook_id}.")
        if target.status != ACTIVE:
            raise Conflict("This listener has ended. Open it again with POST /api/v1/listeners.")
        return target

    def open(self, target: Target, forward_to: str, replaces: str | None) -> ListenerStream:
        """Begin the stream of a program; `replaces` is the one that it had before."""
        former = self._streams.get(replaces or "")
        if former is not None and former.target.webhook_id == target.webhook_id:
            self._end(former, REPLACED)
        stream = ListenerStream(self._ids.new("lst"), target, forward_to, self._branding)
        if not self._open:
            stream.end(STOPPING)
            return stream
        self._streams[stream.id] = stream
        self._seen_at = float("-inf")
        self._wake.set()
        if self._polling is None:
            self._polling = asyncio.get_running_loop().create_task(self._poll())
        return stream

    def close_stream(self, stream: ListenerStream) -> None:
        """Note that a program is gone; what it did not answer is offered again."""
        self._end(stream, STOPPING)

    def answer(
        self,
        organization: str,
        webhook_id: str,
        stream_id: str,
        delivery_id: str,
        answer: ListenerAnswer,
    ) -> None:
        """Record what a program reports about a delivery that it was offered.

        Raises `Misdirected` if this node has no such stream, and `Conflict` if the delivery is not
        awaited on it any more.
        """
        stream = self._streams.get(stream_id)
        if stream is None or (organization, webhook_id) != (
            stream.target.organization,
            stream.target.webhook_id,
        ):
            raise Misdirected(
                "This node does not have the stream. Send the answer on another connection, or "
                "wait until the delivery is offered again."
            )
        if delivery_id in stream.answered and delivery_id not in stream.unanswered:
            return
        offer = stream.unanswered.pop(delivery_id, None)
        if offer is None:
            raise Conflict("This delivery is not awaited. If it is due, it is offered again.")
        stream.answered.append(delivery_id)
        self._recorder.record(self._settlement(offer, answer))
        self._wake.set()

    def stop(self) -> None:
        """End all streams: the node stops."""
        self._open = False
        for stream in list(self._streams.values()):
            self._end(stream, STOPPING)
        self._wake.set()

    async def close(self) -> None:
        """End all streams, and finish the claim that is under way."""
        self.stop()
        if self._polling is not None:
            await self._polling

    def _end(self, stream: ListenerStream, reason: str) -> None:
        self._streams.pop(stream.id, None)
        for delivery in stream.end(reason):
            self._releaser.add(delivery)

    def _settlement(self, offer: Offer, answer: ListenerAnswer) -> Settlement:
        exchange = Exchange(
            started_at=offer.offered_at,
            duration_ms=answer.duration_ms,
            timings=answer.timings,
            status=answer.status,
            reason=answer.reason,
            response_head=answer.response_head,
            response_body=answer.response_body,
            truncated=answer.truncated,
            failure=answer.failure,
        )
        verdict = judge(
            exchange,
            trigger=offer.delivery.trigger,
            retries_used=0,
            schedule=(),  # a person is watching: they replay what they want to see again
            success=self._success,
            jitter=self._jitter,
        )
        return Settlement(
            delivery=offer.delivery,
            record=AttemptRecord(
                id=self._ids.new("att"),
                outcome="failed" if verdict.error_kind else "succeeded",
                url=offer.url,
                request_head=offer.head[:-4],
                exchange=exchange,
                error_kind=verdict.error_kind,
                error_message=verdict.error_message,
                error_code=verdict.error_code,
            ),
            verdict=msgspec.structs.replace(verdict, disable=None, hold_lane=0.0),
            by_listener=True,
        )

    # --- what is due --------------------------------------------------------------------------

    async def _poll(self) -> None:
        """Look for work of the connected listeners, until there are none."""
        while self._streams:
            self._wake.clear()
            try:
                await self._keep_seen()
                await self._check_listeners()
                self._end_stalled()
                await self._claim_due()
            except Unavailable:
                pass  # the streams stay open, and are silent until the database is back
            except Exception:
                log.exception("listeners were not served, and are tried again")
            await wait_up_to(self._wake, POLL_SECONDS)
        self._polling = None

    async def _keep_seen(self) -> None:
        now = self._clock.monotonic()
        if now - self._seen_at >= SEEN_SECONDS:
            await self._storage.see_listeners(list(self._listeners()))
            self._seen_at = now

    async def _check_listeners(self) -> None:
        """End the streams of listeners that are not active any more."""
        now = self._clock.monotonic()
        if now - self._checked_at < CHECK_SECONDS:
            return
        await self._read_targets(self._listeners())
        self._checked_at = now

    async def _read_targets(self, webhook_ids: Iterable[str]) -> None:
        asked = set(webhook_ids)
        found = {one.webhook_id: one for one in await self._storage.targets(list(asked))}
        for stream in list(self._streams.values()):
            webhook_id = stream.target.webhook_id
            if webhook_id not in asked:
                continue
            target = found.get(webhook_id)
            if target is None or target.status != ACTIVE:
                self._end(stream, ENDED)
            elif target.version != stream.target.version:
                stream.use(target)

    def _end_stalled(self) -> None:
        now = self._clock.monotonic()
        for stream in list(self._streams.values()):
            if stream.is_stalled(now):
                self._end(stream, STALLED)

    async def _claim_due(self) -> None:
        """Claim for each stream with places whose listener has due deliveries."""
        if self._recorder.stalled:
            return
        ready = {one.target.webhook_id for one in self._streams.values() if one.places}
        if not ready:
            return
        due = set(await self._storage.due_listeners(list(ready)))
        for stream in list(self._streams.values()):
            if stream.target.webhook_id in due and stream.places:
                await self._claim(stream)

    async def _claim(self, stream: ListenerStream) -> None:
        began = self._clock.monotonic()
        webhook_id = stream.target.webhook_id
        claimed = await self._storage.claim(
            Claim(
                lease_seconds=self._lease_seconds,
                limits={webhook_id: stream.places},
                max_bytes=HELD_BYTES - stream.held_bytes,
            )
        )
        newest = max((one.webhook_version for one in claimed.deliveries), default=0)
        if newest > stream.target.version:
            await self._read_targets([webhook_id])
        if webhook_id in claimed.backlogged:
            self._wake.set()
        for delivery in claimed.deliveries:
            if stream.end_reason is None:
                stream.offer(self._offer(stream, delivery, began))
            else:  # it ended during the claim
                self._releaser.add(delivery)

    def _offer(self, stream: ListenerStream, delivery: LeasedDelivery, began: float) -> Offer:
        now = self._clock.now_ms()
        return Offer(
            delivery=delivery,
            head=stream.template.head(delivery, now),
            url=stream.forward_to,
            offered_at=now,
            answer_by=began + self._answer_seconds,
        )

    def _listeners(self) -> set[str]:
        return {stream.target.webhook_id for stream in self._streams.values()}
