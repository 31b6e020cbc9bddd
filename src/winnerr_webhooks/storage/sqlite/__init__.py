"""The storage in one SQLite file: for one node, embedded."""

from winnerr_webhooks.storage.sqlite.sqlite_storage import SqliteStorage

__all__ = ["SqliteStorage"]
