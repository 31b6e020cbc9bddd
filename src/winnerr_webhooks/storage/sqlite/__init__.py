"""The storage in one SQLite file: for one node, embedded."""

from winnerr_webhooks.storage.sqlite.storage import SqliteStorage

__all__ = ["SqliteStorage"]
