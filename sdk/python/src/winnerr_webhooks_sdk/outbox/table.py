"""The table of an outbox."""

from __future__ import annotations

import re
from typing import Any, List

from winnerr_webhooks_sdk.outbox.database import Database

TABLE = "winnerr_webhooks_outbox"
"""Its name, unless another is given."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")

# `sequence` is the order of emission. `size` is the bytes of the event, so that the relay can cut
# a batch without reading it. `claimed_until` (seconds since 1970) and `claimed_by` are set on an
# organization's first waiting row while a relay is sending its events.
_COLUMNS = """
    id {id} NOT NULL,
    organization {organization} NOT NULL,
    event {event} NOT NULL,
    data {text} NOT NULL,
    happened_at {time} NOT NULL,
    size integer NOT NULL,
    status {status} DEFAULT 'waiting' NOT NULL,
    refusal {text},
    claimed_until bigint DEFAULT 0 NOT NULL,
    claimed_by {claim}"""
_LENGTHS = {"id": 255, "organization": 64, "event": 128, "time": 20, "status": 8, "claim": 36}


def table_sql(dialect: str, table: str = TABLE) -> List[str]:
    """Return the statements that make the table, for a migration of your own.

    `dialect` is `postgresql`, `mysql` (MariaDB too) or `sqlite`. They change nothing where the
    table is there.
    """
    name = check_name(table)
    index = name.rpartition(".")[2]
    ascii_text = " CHARACTER SET ascii COLLATE ascii_bin" if dialect == "mysql" else ""
    kinds = {kind: f"varchar({length}){ascii_text}" for kind, length in _LENGTHS.items()}
    if dialect == "mysql":
        columns = _COLUMNS.format(text="longtext CHARACTER SET utf8mb4", **kinds)
        statement = (
            f"CREATE TABLE IF NOT EXISTS {name} (\n"
            f"    sequence bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,{columns},\n"
            f"    KEY {index}_waiting (status, sequence),\n"
            f"    KEY {index}_claims (claimed_until)\n"
            ") ENGINE=InnoDB"
        )
        return [statement]
    if dialect == "postgresql":
        key = "sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
    elif dialect == "sqlite":
        key = "sequence integer PRIMARY KEY AUTOINCREMENT"
    else:
        raise ValueError(f"dialect is postgresql, mysql or sqlite, not {dialect!r}.")
    columns = _COLUMNS.format(text="text", **kinds)
    schema = f"{name.rpartition('.')[0]}." if "." in name and dialect == "sqlite" else ""
    on = index if schema else name
    return [
        f"CREATE TABLE IF NOT EXISTS {name} (\n    {key},{columns}\n)",
        f"CREATE INDEX IF NOT EXISTS {schema}{index}_waiting ON {on} (status, sequence)",
        f"CREATE INDEX IF NOT EXISTS {schema}{index}_claims ON {on} (claimed_until)",
    ]


def create_table(connection: Any, table: str = TABLE) -> None:
    """Make the table if it is not there, on a connection as `Outbox` takes it; commit yourself."""
    database = Database(connection)
    for statement in table_sql(database.dialect, table):
        database.run(statement)


def check_name(table: str) -> str:
    """Return the name; `ValueError` if it is not a plain name, or two joined by a full stop."""
    if not _NAME.fullmatch(table):
        raise ValueError(f"A table's name is letters, digits and _, such as {TABLE}: {table!r}.")
    return table
