"""`Outbox`: emits events in the product's own transaction."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Optional

from winnerr_webhooks_sdk.new_event import Data, NewEvent, encode
from winnerr_webhooks_sdk.outbox.database import Database
from winnerr_webhooks_sdk.outbox.table import TABLE, check_name

_INSERT = """
    INSERT INTO {table} (id, organization, event, data, happened_at, size)
    VALUES (?, ?, ?, ?, ?, ?)
"""


class Outbox:
    """Emits events with the commit of a transaction.

    `connection` is the one that the product's own statements of this transaction go through: of a
    DB-API driver, `django.db.connection`, or a `Connection` or `Session` of SQLAlchemy. The outbox
    never commits.
    """

    def __init__(self, connection: Any, table: str = TABLE) -> None:
        self._database = Database(connection)
        self._insert = _INSERT.format(table=check_name(table))

    def emit(
        self,
        event: str,
        organization: str,
        data: Data,
        id: Optional[str] = None,
        happened_at: Optional[datetime] = None,
    ) -> str:
        """Write an event into the outbox; its id.

        `id` makes it safe to emit the same thing from two transactions: it is accepted once in 30
        days. `happened_at` is an aware datetime; left out, it is now. `ValueError` or `TypeError`
        if no event can be like this, `RuntimeError` if no transaction is open.
        """
        if self._database.is_autocommit():
            raise RuntimeError(
                "No transaction is open, so the event would be emitted whether or not your own "
                "change is kept. Begin one: transaction.atomic() in Django, with "
                "connection.transaction() in psycopg, BEGIN in sqlite3 and PyMySQL."
            )
        moment = datetime.now(timezone.utc) if happened_at is None else happened_at
        made = encode(NewEvent(event, organization, data, id, moment))
        values = (made.id, organization, event, made.data, made.timestamp, len(made.body))
        self._database.run(self._insert, values)
        return made.id
