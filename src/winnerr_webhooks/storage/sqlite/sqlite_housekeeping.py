"""Housekeeping on SQLite: retention, figures, and the write that shows that the disk works."""

import msgspec

from winnerr_webhooks.storage.housekeeping_verbs import HousekeepingVerbs
from winnerr_webhooks.storage.retention import Removals, remove_webhooks
from winnerr_webhooks.storage.sqlite import calls, sqlite_retention
from winnerr_webhooks.storage.sqlite.sqlite_verbs import SqliteVerbs

_OLDEST = msgspec.json.Decoder(tuple[int, int | None])


class SqliteHousekeeping(SqliteVerbs, HousekeepingVerbs):
    """`storage.port.Housekeeping`; see there for what each verb promises."""

    def __init__(self) -> None:
        super().__init__()
        self._retention = sqlite_retention.RetentionPass()

    async def run_retention_slice(self, retention_days: int) -> int:
        """Run one slice of retention. Finding the rows goes through many that stay."""
        now = self._clock.now_ms()
        at = self._retention
        found = await self._threads.search(
            lambda db: sqlite_retention.find(db, at, retention_days, now), calls.SCAN
        )
        gone = await self._write_slice(
            lambda db: sqlite_retention.remove(db, at.kind, found, now, retention_days)
        )
        if not found:
            self._retention = sqlite_retention.RetentionPass()
            gone += await self._remove_deleted_webhooks()
        return gone

    async def _remove_webhooks_slice(self) -> Removals:
        return await self._write_slice(lambda db: remove_webhooks(db, self._clock.now_ms()))

    async def _count_rows(self) -> tuple[int, int | None, int, int, int]:
        pending, lanes, jobs, size = await self._read(lambda db: db.fetch_row("figures"))
        return *_OLDEST.decode(pending), lanes, jobs, size

    async def try_to_write(self) -> None:
        """Write one unimportant row; `Unavailable` says why that is not possible."""
        await self._write(lambda db: db.execute("probe", now=self._clock.now_ms()))

    def warnings(self) -> tuple[str, ...]:
        """Return no warnings: an SQLite file needs no attention."""
        return ()
