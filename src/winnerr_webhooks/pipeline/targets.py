"""Targets: reads the configuration of webhooks for their lanes, many in one read."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.domain.webhook import Target
from winnerr_webhooks.storage.port import Storage

AWAY_WAIT: Final = 0.2

log = structlog.get_logger(__name__)


class TargetReader:
    """Reads what was asked for; who asks while a read runs is answered by the next one.

    `on_read` gets each webhook's target (None: there is no such webhook), `on_failed` each that
    cannot be read or used. A webhook that cannot be read stands in nobody else's way.
    """

    def __init__(
        self,
        storage: Storage,
        on_read: Callable[[str, Target | None], None],
        on_failed: Callable[[str], None],
    ) -> None:
        self._storage = storage
        self._on_read = on_read
        self._on_failed = on_failed
        self._wanted: set[str] = set()
        self._loop = asyncio.get_running_loop()
        self._running: asyncio.Task[None] | None = None
        self._open = True

    def ask(self, webhook_id: str) -> None:
        """Read this webhook as it is from now on."""
        self._wanted.add(webhook_id)
        if self._running is None and self._open:
            self._running = self._loop.create_task(self._run())

    async def close(self) -> None:
        """Read nothing more."""
        self._open = False
        if self._running is not None:
            await self._running

    async def _run(self) -> None:
        try:
            while self._wanted and self._open:
                # What is asked for again during the read may have changed after it: once more.
                wanted, self._wanted = self._wanted, set()
                try:
                    await self._read(wanted)
                except Unavailable:
                    self._wanted |= wanted
                    await asyncio.sleep(AWAY_WAIT)
        finally:
            self._running = None

    async def _read(self, wanted: set[str]) -> None:
        try:
            found = {t.webhook_id: t for t in await self._storage.targets(list(wanted))}
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001  it is logged, with the webhook it is of
            if len(wanted) > 1:
                for webhook_id in wanted:
                    await self._read({webhook_id})
                return
            self._failed(wanted.pop(), error)
            return
        for webhook_id in wanted - self._wanted:
            try:
                self._on_read(webhook_id, found.get(webhook_id))
            except Exception as error:  # noqa: BLE001  likewise
                self._failed(webhook_id, error)

    def _failed(self, webhook_id: str, error: Exception) -> None:
        log.error("a webhook cannot be read, its work waits", webhook=webhook_id, exc_info=error)
        self._on_failed(webhook_id)
