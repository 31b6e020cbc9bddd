"""SQL by name, as SQLite takes it.

One thing is SQLite's own, so that a whole batch is one statement. `{rows:3}` is a table of bound
rows of three columns: `SELECT … FROM (VALUES …) LIMIT ?`. The other values of such a statement
follow it (`sqlite_connection.Connection.write_rows`).
"""

import re
from functools import cache
from typing import Final, NamedTuple

from winnerr_webhooks.storage.statements import migrations_of, statements_of

_ROWS: Final = re.compile(r"\{rows:(\d+)\}")
_NAMED: Final = re.compile(r":([a-z_]+)\b")
_JSON: Final = "SELECT json_group_array(json_array("


class Statement(NamedTuple):
    """A statement, and what has to be known to run it."""

    text: str
    names: tuple[str, ...]
    """Its named values. With a table of bound rows: one for each `?` that follows the table."""
    gives_json: bool
    """Whether its one row is one value: all rows it finds, as a JSON array of arrays."""


@cache
def statements() -> dict[str, Statement]:
    """Return every statement, by name."""
    return {name: _statement(text) for name, text in statements_of(__package__).items()}


def _statement(text: str) -> Statement:
    names = tuple(_NAMED.findall(_ROWS.sub("", text)))
    gives_json = text.startswith(_JSON)
    if _ROWS.search(text):
        return Statement(_NAMED.sub("?", text), names, gives_json)
    return Statement(text, tuple(dict.fromkeys(names)), gives_json)


@cache
def with_rows(name: str, count: int) -> tuple[str, tuple[str, ...]]:
    """Return the statement with room for `count` bound rows, and the names of its other values."""

    def table(match: re.Match[str]) -> str:
        row = f"({','.join('?' * int(match[1]))})"
        return f"SELECT * FROM (VALUES {','.join([row] * count)}) LIMIT ?"  # noqa: S608  only marks

    text, names, _ = statements()[name]
    return _ROWS.sub(table, text), names


def migrations() -> tuple[str, ...]:
    """Return the scripts that create and upgrade the database; the n-th leads to version n."""
    return migrations_of(__package__)
