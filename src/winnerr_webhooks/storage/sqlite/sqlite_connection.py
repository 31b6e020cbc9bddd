"""One SQLite connection: opened with the settings of this program, statements by name."""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import apsw
import msgspec

from winnerr_webhooks.storage.sqlite.sqlite_statements import statements, with_rows

T = TypeVar("T")
Row = Sequence[Any]

BUSY_MS = 5_000
"""How long to wait for another process that writes."""

_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
"""How many rows a statement can have room for. There are so few sizes that all statements stay
prepared; apsw keeps only texts under 16 KiB, which bounds the largest."""
_PRAGMAS = """
    PRAGMA synchronous = FULL;          -- a commit is on the disk when it returns
    PRAGMA temp_store = MEMORY;
    PRAGMA secure_delete = FAST;        -- zeroes what is deleted, where it costs no more I/O
    PRAGMA journal_size_limit = 67108864;
    PRAGMA mmap_size = 0;               -- a failing disk must be an error, not a SIGBUS
"""


class Connection:
    """A connection for one thread at a time."""

    def __init__(self, path: str, *, cache_kib: int, reads_only: bool = False) -> None:
        self.apsw = apsw.Connection(
            path,
            flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE,
            statementcachesize=256,
        )
        # Plans that do not depend on bound values. Otherwise each statement with the `LIMIT ?` of a
        # batch, whose value could change the plan, is parsed and planned anew whenever it is bound.
        self.apsw.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        self.apsw.set_busy_timeout(BUSY_MS)
        self.apsw.execute(_PRAGMAS).fetchall()  # some give a row, which must be read
        self.apsw.execute(f"PRAGMA cache_size = -{cache_kib}")
        if reads_only:  # it may still checkpoint
            self.apsw.execute("PRAGMA query_only = ON")

    def run(self, name: str, values: Any = ()) -> int:
        """Run a statement that returns no rows; return how many it changed."""
        self.apsw.execute(statements()[name].text, values)
        return self.apsw.changes()

    def row(self, name: str, values: Any = ()) -> Any:
        """Return the first row as a tuple, or None."""
        return self.apsw.execute(statements()[name].text, values).fetchone()

    def json(self, name: str, values: Any, shape: msgspec.json.Decoder[T]) -> T:
        """Return the one value of the one row, a JSON text, decoded.

        Lists are read this way because every row fetched is a `sqlite3_step`, which releases the
        GIL.
        """
        return shape.decode(_only(self.apsw.execute(statements()[name].text, values)))

    def write_rows(self, name: str, rows: Sequence[Row], **values: Any) -> int:
        """Run a `{rows:…}` statement over all rows; return how many it changed."""
        changed = 0
        for sql, bound in _chunks(name, rows, values):
            self.apsw.execute(sql, bound)
            changed += self.apsw.changes()
        return changed

    def read_rows(
        self, name: str, rows: Sequence[Row], shape: msgspec.json.Decoder[list[T]], **values: Any
    ) -> list[T]:
        """Run a `{rows:…}` query, whose answer is one JSON array, over all rows."""
        found: list[T] = []
        for sql, bound in _chunks(name, rows, values):
            found += shape.decode(_only(self.apsw.execute(sql, bound)))
        return found

    def begin(self) -> None:
        """Start a transaction that may write."""
        self.rollback()
        self.apsw.execute("BEGIN IMMEDIATE")

    def begin_read(self) -> None:
        """Start a transaction that reads one state of the database."""
        self.apsw.execute("BEGIN")

    def commit(self) -> None:
        """End the transaction: on disk when this returns."""
        self.apsw.execute("COMMIT")

    def rollback(self) -> None:
        """Undo the transaction, unless SQLite has done that itself (a full disk)."""
        if self.apsw.in_transaction:
            with suppress(apsw.Error):  # a failing disk: `begin` will say it again
                self.apsw.execute("ROLLBACK")

    def checkpoint(self) -> int:
        """Copy the write-ahead log into the database as far as readers allow; up to which page.

        `apsw.IOError` when the disk could not be synced: then written pages may be lost.
        """
        try:
            copied: int = self.apsw.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)[1]
        except apsw.Error as error:
            if getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_FSYNC:
                raise
            return 0  # another one copies, or nothing can be written: it is all in the log
        return copied

    def close(self) -> None:
        """Close the file."""
        self.apsw.close()


def _only(answer: apsw.Cursor) -> str:
    """Return the one value of the one row. No second row is read: that would be another step."""
    row = answer.fetchone()
    assert row is not None  # noqa: S101  an aggregate always has a row
    return str(row[0])


def _chunks(
    name: str, rows: Sequence[Row], values: Mapping[str, Any]
) -> Iterable[tuple[str, list[Any]]]:
    """Yield the statements, each with its bound values, that take all rows."""
    largest = _SIZES[-1]
    for start in range(0, len(rows), largest):
        chunk = rows[start : start + largest] if len(rows) > largest else rows
        count = len(chunk)
        size = next(size for size in _SIZES if size >= count)
        bound: list[Any] = []
        for row in chunk:
            bound += row
        if size > count:
            bound += (None,) * ((size - count) * len(chunk[0]))
        bound.append(count)
        sql, names = with_rows(name, size)
        if names:
            bound += [values[one] for one in names]
        yield sql, bound


def create_file(path: str) -> None:
    """Make a file, readable by its owner only (a database's -wal and -shm inherit that)."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
