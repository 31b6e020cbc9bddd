"""SQL by name, read from the .sql files beside this module.

A statement starts at a line `-- name: something`. In it,

    {something}   is the text of that other statement (a fragment used in several), and
    {rows:3}      is a table of bound rows of three columns: `SELECT … FROM (VALUES …) LIMIT ?`.

The second is what makes a whole batch one statement, see `connection.Connection.rows`.
"""

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_INCLUDE = re.compile(r"\{(\w+)\}")
_ROWS = re.compile(r"\{rows:(\d+)\}")


@cache
def statements() -> dict[str, str]:
    """Every statement, fragments put in."""
    found: dict[str, str] = {}
    for file in sorted(files(__package__).joinpath("sql").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".sql"):
            _, *parts = _NAME.split(file.read_text(encoding="utf-8"))
            found.update(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))
    return {name: _included(text, found) for name, text in found.items()}


def _included(text: str, found: dict[str, str]) -> str:
    return _INCLUDE.sub(lambda match: _included(found[match[1]], found), text)


@cache
def with_rows(name: str, count: int) -> str:
    """The statement with room for `count` bound rows."""

    def table(match: re.Match[str]) -> str:
        row = f"({','.join('?' * int(match[1]))})"
        return f"SELECT * FROM (VALUES {','.join([row] * count)}) LIMIT ?"  # noqa: S608  only marks

    return _ROWS.sub(table, statements()[name])


def migrations() -> list[str]:
    """The scripts that make and upgrade the database, in order; the n-th leads to version n."""
    folder = files(__package__).joinpath("migrations")
    scripts = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [script.read_text(encoding="utf-8") for script in scripts]
