"""The session of a verb: one transaction of either database.

Verbs that both databases share are coroutines over a `Session`. On PostgreSQL the session waits
for the server. On SQLite it never waits, so the thread that owns the connection runs the coroutine
to its end in one go (`sqlite.sqlite_session.run_to_end`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

S = TypeVar("S", bound=msgspec.Struct)


class Session(Protocol):
    """One transaction; statements go by their names in the .sql files, values by theirs.

    A statement uses the values that it names and ignores the others. A list among the values is
    what `{any:name}` takes. Rows come as sequences; SQLite gives a list as JSON text where
    PostgreSQL has an array (`decoded_list`), and 0 or 1 for a boolean.
    """

    async def fetch(self, name: str, /, **values: object) -> Sequence[Any]:
        """Return all rows of a statement."""
        ...

    async def fetch_row(self, name: str, /, **values: object) -> Any:
        """Return the first row of a statement, or None."""
        ...

    async def fetch_value(self, name: str, /, **values: object) -> Any:
        """Return the first column of the first row, or None."""
        ...

    async def execute(self, name: str, /, **values: object) -> int:
        """Run a statement; return how many rows it inserted, changed or deleted."""
        ...

    async def fetch_many(
        self, name: str, shape: type[S], rows: Sequence[Sequence[object]], /, **values: object
    ) -> list[S]:
        """Return what a statement finds for a table of bound rows, as `shape`s; [] without rows."""
        ...

    async def execute_many(
        self, name: str, rows: Sequence[Sequence[object]], /, **values: object
    ) -> int:
        """Run a statement over a table of bound rows; without rows it does not run."""
        ...

    async def lower_lanes(self, due: Mapping[str, int]) -> None:
        """Make sure that each webhook's lane wakes at that time (ms) at the latest.

        On PostgreSQL this happens after the commit: see `postgres.postgres_storage`.
        """
        ...


_strings = msgspec.json.Decoder(list[str])
_counts = msgspec.json.Decoder(dict[str, int])


def struct_of(shape: type[S], row: Sequence[Any], /, **others: Any) -> S:
    """Return a row as a struct: its columns are the first fields, `others` are the rest."""
    names = shape.__struct_fields__[: len(row)]
    return shape(**dict(zip(names, row, strict=True)), **others)


def decoded_list(value: str | Sequence[str] | None) -> list[str]:
    """Return a list of texts as a database gives it: JSON, or an array."""
    return _strings.decode(value) if isinstance(value, str) else list(value or ())


def decoded_counts(value: str | None) -> dict[str, int]:
    """Return counts by name, as a statement gives them: a JSON object."""
    return _counts.decode(value) if value else {}
