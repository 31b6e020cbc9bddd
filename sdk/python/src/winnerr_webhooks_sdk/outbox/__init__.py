"""An outbox: events that are emitted exactly when the product's transaction commits.

An event that is emitted before the commit may report something that never happened. One that is
emitted after it is lost if the process dies in between. `Outbox` writes the event into a table
of the product's own database, in the product's own transaction. A relay moves rows from there to
the API, with the row's id as the event's id, so that each is accepted once.

    Outbox(connection).emit("contact.created", "org_abc123", {"id": "contact_xyz"})
    connection.commit()

`create_table` makes the table. `relay` moves what is there once, `run_relay` does so until it is
stopped, and so does the program `winnerr-webhooks-outbox-relay`. PostgreSQL, MySQL 8, MariaDB 10.6
and SQLite, by any driver of the DB-API or SQLAlchemy.
"""

from winnerr_webhooks_sdk.outbox.relay import Round, relay, run_relay
from winnerr_webhooks_sdk.outbox.table import TABLE, create_table, table_sql
from winnerr_webhooks_sdk.outbox.upkeep import (
    Counts,
    RefusedRow,
    count_rows,
    list_refused,
    retry_refused,
)
from winnerr_webhooks_sdk.outbox.writer import Outbox

__all__ = [
    "TABLE",
    "Counts",
    "Outbox",
    "RefusedRow",
    "Round",
    "count_rows",
    "create_table",
    "list_refused",
    "relay",
    "retry_refused",
    "run_relay",
    "table_sql",
]
