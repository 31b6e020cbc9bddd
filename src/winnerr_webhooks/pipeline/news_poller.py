"""News poller: finds what other nodes left in a shared database, for all loops of this node.

One statement asks whether anything waits, and the signals wake those loops that have work. It polls
because LISTEN does not work behind a pooler, and because every NOTIFY makes commits wait for each
other. A database that only this node uses needs no polls: each verb that leaves work signals it.
"""

import asyncio
from typing import Final

import structlog

from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.ids import Jitter
from winnerr_webhooks.pipeline.loop_task import LoopTask
from winnerr_webhooks.pipeline.node_signals import NodeSignals
from winnerr_webhooks.storage.road_port import Road

POLL: Final = 0.25
"""Seconds between two polls."""
RESTING_POLL: Final = 0.5
"""The same after a while without any news."""
RESTS_AFTER: Final = 40
"""Polls in a row without news, after which the database is asked less often."""
POLL_DUTY: Final = 10
"""The time between two polls is at least this many times what a poll takes."""
LONGEST_PAUSE: Final = 5.0
"""Seconds between two polls, at most. If only the machine or the disk was slow for a moment,
retries must not stop for a minute."""
AWAY_WAIT: Final = 1.0
"""Seconds until the next poll after an error."""

log = structlog.get_logger(__name__)


class NewsPoller(LoopTask):
    """The loop of one node."""

    def __init__(self, storage: Road, signals: NodeSignals, jitter: Jitter) -> None:
        super().__init__(self._poll_forever)
        self._storage = storage
        self._signals = signals
        self._jitter = jitter
        self._change_mark: int | None = None
        """The mark of the last change that this node has signalled."""
        self._without_news = 0

    async def _poll_forever(self) -> None:
        loop, logged = asyncio.get_running_loop(), ""
        while True:
            began = loop.time()
            try:
                await self._poll()
            except Unavailable as error:
                if error.detail != logged:
                    log.warning("work of other nodes cannot be read", reason=error.detail)
                logged = error.detail
                pause = self._jitter.around(AWAY_WAIT)
            except Exception:
                log.exception("a poll failed and is tried again")
                pause = self._jitter.around(AWAY_WAIT)
            else:
                logged = ""
                pause = POLL if self._without_news < RESTS_AFTER else RESTING_POLL
                pause = max(pause, min(POLL_DUTY * (loop.time() - began), LONGEST_PAUSE))
            await asyncio.sleep(pause)

    async def _poll(self) -> None:
        """Read the news once, and wake the loops that have work."""
        news, signals = await self._storage.news(), self._signals
        has_changed = news.change_mark != self._change_mark
        self._change_mark = news.change_mark
        if news.is_due:
            signals.work_due(0.0)
        if news.has_jobs:
            signals.job_created()
        if has_changed:
            signals.changes_found()
        if news.outbox_waits:
            signals.outbox_filled()
        is_news = news.is_due or news.has_jobs or has_changed or news.outbox_waits
        self._without_news = 0 if is_news else self._without_news + 1
