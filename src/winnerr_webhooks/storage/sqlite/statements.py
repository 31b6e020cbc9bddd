"""SQL by name. One thing is SQLite's own, so that a whole batch is one statement.

`{rows:3}` is a table of bound rows of three columns: `SELECT … FROM (VALUES …) LIMIT ?`.
See `connection.Connection.rows`.
"""

import re
from functools import cache

from winnerr_webhooks.storage.statements import migrations_of, statements_of

_ROWS = re.compile(r"\{rows:(\d+)\}")


def statements() -> dict[str, str]:
    """Every statement, fragments put in."""
    return statements_of(__package__)


@cache
def with_rows(name: str, count: int) -> str:
    """The statement with room for `count` bound rows."""

    def table(match: re.Match[str]) -> str:
        row = f"({','.join('?' * int(match[1]))})"
        return f"SELECT * FROM (VALUES {','.join([row] * count)}) LIMIT ?"  # noqa: S608  only marks

    return _ROWS.sub(table, statements()[name])


def migrations() -> tuple[str, ...]:
    """The scripts that make and upgrade the database, in order; the n-th leads to version n."""
    return migrations_of(__package__)
