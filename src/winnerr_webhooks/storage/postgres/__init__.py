"""PostgreSQL: for more than one node."""

from winnerr_webhooks.storage.postgres.postgres_storage import PostgresStorage

__all__ = ["PostgresStorage"]
