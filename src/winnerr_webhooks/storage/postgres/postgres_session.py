"""Statements on one PostgreSQL connection, by the names that the .sql files give them."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar

import asyncpg
import msgspec

from winnerr_webhooks.storage.statements import statements_of

_NAMED: Final = re.compile(r"(?<![:\w]):([a-z_]+)\b")
_NUMBERED: Final = re.compile(r"\$(\d+)")

S = TypeVar("S", bound=msgspec.Struct)
Row = Any
"""An asyncpg.Record: a tuple whose fields also have names."""


class Statement(NamedTuple):
    """A statement as PostgreSQL takes it."""

    text: str
    names: tuple[str, ...]
    """Its named values. They follow the arrays that it gives numbers to."""


@cache
def statements() -> dict[str, Statement]:
    """Return every statement, by name."""
    return {name: _numbered(text) for name, text in statements_of(__package__).items()}


def _numbered(text: str) -> Statement:
    """PostgreSQL numbers the values of a statement (its manual, PREPARE)."""
    given = max((int(number) for number in _NUMBERED.findall(text)), default=0)
    names = dict.fromkeys(_NAMED.findall(text))
    numbers = {name: given + ordinal for ordinal, name in enumerate(names, 1)}
    return Statement(_NAMED.sub(lambda name: f"${numbers[name[1]]}", text), tuple(names))


class PostgresSession:
    """`storage.database_session.Session`: one connection, lent for one transaction.

    A verb of PostgreSQL's own can also give arrays, which its statement calls $1, $2, ….
    """

    __slots__ = ("connection", "lanes")

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self.lanes: dict[str, int] = {}
        """When lanes are due (ms) for what this transaction does: lowered after its commit."""

    async def fetch(self, name: str, /, *arrays: object, **values: object) -> list[Row]:
        """Return all rows of a statement."""
        text, names = statements()[name]
        rows: list[Row] = await self.connection.fetch(text, *arrays, *_bound(names, values))
        return rows

    async def fetch_row(self, name: str, /, *arrays: object, **values: object) -> Row:
        """Return the first row of a statement, or None."""
        text, names = statements()[name]
        return await self.connection.fetchrow(text, *arrays, *_bound(names, values))

    async def fetch_value(self, name: str, /, *arrays: object, **values: object) -> Any:
        """Return the first column of the first row, or None."""
        text, names = statements()[name]
        return await self.connection.fetchval(text, *arrays, *_bound(names, values))

    async def execute(self, name: str, /, *arrays: object, **values: object) -> int:
        """Run a statement; return how many rows it inserted, changed or deleted."""
        text, names = statements()[name]
        tag: str = await self.connection.execute(text, *arrays, *_bound(names, values))
        count = tag.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def fetch_many(
        self, name: str, shape: type[S], rows: Sequence[Sequence[object]], /, **values: object
    ) -> list[S]:
        """Return what a statement finds for a table of bound rows; [] without rows."""
        if not rows:
            return []
        return [shape(*row) for row in await self.fetch(name, *columns(rows), **values)]

    async def execute_many(
        self, name: str, rows: Sequence[Sequence[object]], /, **values: object
    ) -> int:
        """Run a statement over a table of bound rows; without rows it does not run."""
        return await self.execute(name, *columns(rows), **values) if rows else 0

    async def lower_lanes(self, due: Mapping[str, int]) -> None:
        """Make sure that lanes wake by these times: see `postgres_road.RoadVerbs`."""
        for webhook_id, at in due.items():
            self.lanes[webhook_id] = min(at, self.lanes.get(webhook_id, at))

    async def script(self, text: str) -> None:
        """Run statements without values, one after the other."""
        await self.connection.execute(text)


def columns(rows: Sequence[Sequence[object]]) -> list[list[object]]:
    """Return a table of rows, with a list for each column."""
    return [list(column) for column in zip(*rows, strict=True)]


def _bound(names: Sequence[str], values: Mapping[str, object]) -> list[object]:
    return [_storable(values[name]) for name in names]


def _storable(value: object) -> object:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list | tuple):
        return [storable(one) if isinstance(one, str) else one for one in value]
    return value


def storable(text: str) -> str:
    """`text` without NUL, which no column can hold (PostgreSQL's manual, section 8.3)."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
