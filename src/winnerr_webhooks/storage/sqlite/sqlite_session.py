"""A session for the verbs that both databases share, on an SQLite connection: it never waits."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import msgspec

from winnerr_webhooks.storage.sqlite.sqlite_connection import Connection
from winnerr_webhooks.storage.sqlite.sqlite_rows import as_json, lower_lanes
from winnerr_webhooks.storage.sqlite.sqlite_statements import Statement, statements

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

_decode_rows = msgspec.json.Decoder(list[list[Any]]).decode


class SqliteSession(Connection):
    """`storage.database_session.Session`: a connection, for one transaction after another."""

    async def fetch(self, name: str, /, **values: object) -> list[Any]:
        """Return all rows of a statement."""
        return self._fetch(name, values)

    async def fetch_row(self, name: str, /, **values: object) -> Any:
        """Return the first row of a statement, or None."""
        return next(iter(self._fetch(name, values)), None)

    async def fetch_value(self, name: str, /, **values: object) -> Any:
        """Return the first column of the first row, or None."""
        row = next(iter(self._fetch(name, values)), None)
        return None if row is None else row[0]

    async def execute(self, name: str, /, **values: object) -> int:
        """Run a statement; return how many rows it inserted, changed or deleted."""
        statement = statements()[name]
        if not statement.text:  # it locks rows, which one writer need not do
            return 0
        self.apsw.execute(statement.text, _bound(statement, values))
        return self.apsw.changes()

    async def fetch_many(
        self, name: str, shape: type[S], rows: Sequence[Sequence[object]], /, **values: object
    ) -> list[S]:
        """Return what a statement finds for a table of bound rows; [] without rows."""
        return self.read_rows(name, rows, _decoder(shape), **values) if rows else []

    async def execute_many(
        self, name: str, rows: Sequence[Sequence[object]], /, **values: object
    ) -> int:
        """Run a statement over a table of bound rows; without rows it does not run."""
        return self.write_rows(name, rows, **values) if rows else 0

    async def lower_lanes(self, due: Mapping[str, int]) -> None:
        """Make sure that each webhook's lane wakes at that time (ms) at the latest."""
        lower_lanes(self, due)

    def _fetch(self, name: str, values: Mapping[str, object]) -> list[Any]:
        statement = statements()[name]
        found = self.apsw.execute(statement.text, _bound(statement, values))
        if statement.gives_json:
            (text,) = found.fetchone() or ("[]",)  # no second row is asked for: see `json`
            return _decode_rows(text)
        return list(found)


def run_to_end(verb: Callable[[SqliteSession], Coroutine[Any, Any, T]]) -> Callable[[Any], T]:
    """Return a verb as a plain function: its coroutine never waits, as its session never does."""

    def run(db: SqliteSession) -> T:
        try:
            verb(db).send(None)
        except StopIteration as end:
            answer: T = end.value
            return answer
        raise RuntimeError("a verb waited for something other than its session")

    return run


@cache
def _decoder(shape: type[S]) -> "msgspec.json.Decoder[list[S]]":
    return msgspec.json.Decoder(list[shape])  # type: ignore[valid-type]


def _bound(statement: Statement, values: Mapping[str, object]) -> dict[str, object]:
    """Return the values that a statement names; lists as JSON."""
    return {
        name: as_json(value) if isinstance(value := values[name], list | tuple) else value
        for name in statement.names
    }
