"""PostgreSQL: for more than one node."""

from winnerr_webhooks.storage.postgres.storage import PostgresStorage

__all__ = ["PostgresStorage"]
