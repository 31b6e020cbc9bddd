"""When SQLite's write-ahead log (WAL) is copied into the database, and on which thread.

The log starts over only when all of it is copied and nobody reads in it; otherwise it grows.
SQLite's own checkpoints, at every 1,000 pages, would run inside a commit, and a large one keeps the
writer from its work for tens of milliseconds. So another thread copies while the writer goes on,
until little is left. That rest the writer copies itself.
"""

import os
import threading
from collections.abc import Callable
from typing import Final, NoReturn

import apsw
import structlog

from winnerr_webhooks.storage.sqlite.sqlite_connection import Connection

COPIED_PAGES: Final = 4_000
"""A log that is longer is copied."""
REST_PAGES: Final = 500
"""Up to this many pages the writer copies itself: it takes a few milliseconds."""
LONG_PAGES: Final = 8_000
"""The writer copies a log that is longer, however long that takes, and no search begins in it."""

log = structlog.get_logger(__name__)


class WalCheckpointer:
    """Copies the log, or has it copied, after commits of the writer.

    `copy` runs on the other thread. While it is under way no other thread copies, so everything but
    `checkpoint_on` and `may_search` belongs to one thread at a time.
    """

    def __init__(self, writer: Connection, ask_for_copy: Callable[[], None]) -> None:
        self.pages = 0
        """How long the log is."""
        self.may_search = threading.Event()
        """Cleared while the log is long, because a reader keeps it from starting over."""
        self.may_search.set()
        self.search_waits = False
        self._writer = writer
        self._ask_for_copy = ask_for_copy
        self._under_way = threading.Event()
        self._syncing = threading.Event()
        self._begun_at = 0
        """How long the log was when it was copied last."""
        self._copied = 0
        """Pages that are copied."""
        self._pause = 0
        """Pages until it is worth trying again."""
        # Kept open until every connection is closed: closing any descriptor of a file ends all
        # locks that the process has on it (POSIX, fcntl).
        self._file = os.open(writer.apsw.db_filename("main"), os.O_RDONLY)
        writer.apsw.set_wal_hook(self._note_pages)

    def _note_pages(self, _connection: object, _database: str, pages: int) -> int:
        self.pages = pages
        return 0

    def after_commit(self) -> None:
        """Copy what has to be copied, or let the other thread do it."""
        pages = self.pages
        if pages < LONG_PAGES:
            self.may_search.set()
            self.search_waits = False
        if self._under_way.is_set() and not (self.search_waits and self._syncing.is_set()):
            return
        if pages < self._begun_at:  # it was started over
            self._begun_at = self._copied = self._pause = 0
        if not self.search_waits and (pages < COPIED_PAGES or pages - self._begun_at < self._pause):
            return
        if self.search_waits or pages >= LONG_PAGES or pages - self._copied <= REST_PAGES:
            self._copy_rest()
        else:
            self._begun_at = pages
            self._under_way.set()
            self._ask_for_copy()

    def _copy_rest(self) -> None:
        pages = self._begun_at = self.pages
        self.search_waits = False
        self._copied = self.checkpoint_on(self._writer)
        # When all is copied, the next commit starts the log over, unless somebody reads in it.
        self._pause = self._pause_after(pages - self._copied) or REST_PAGES
        if self._copied == pages:
            self.may_search.set()
        elif pages >= LONG_PAGES:
            self.may_search.clear()

    def copy(self, other: Connection) -> None:
        """Copy as far as readers allow, on the thread of another connection.

        SQLite syncs the database only when the log is copied to its end. The pages copied here are
        synced here, so that the writer has little to sync when it copies the rest.
        """
        self._copied = self.checkpoint_on(other)
        self._pause = self._pause_after(self._begun_at - self._copied)
        self._syncing.set()
        try:
            os.fsync(self._file)
        except OSError as error:
            _end(error)
        self._syncing.clear()
        self._under_way.clear()

    def _pause_after(self, missing: int) -> int:
        """Pages until the next try, when a reader stopped this one: it may read for long."""
        if missing <= 0:
            return 0
        return REST_PAGES if missing <= REST_PAGES else COPIED_PAGES

    def checkpoint_on(self, connection: Connection) -> int:
        """Copy on the thread of a connection as far as readers allow; up to which page."""
        try:
            return connection.checkpoint()
        except apsw.IOError as error:
            _end(error)

    def close(self) -> None:
        """Close the file. No connection may have it open any more."""
        os.close(self._file)


def _end(error: Exception) -> NoReturn:
    """End the process: the disk may have lost pages of the database that are still in the log.

    A second sync would succeed although they are lost, and then the log would start over. The next
    start reads all of the log again, as after a crash. PostgreSQL does the same
    (`data_sync_retry`).
    """
    log.critical(
        "the disk did not keep what was written to the database: check the disk. Nothing accepted "
        "is lost: the next start writes it once more",
        reason=str(error),
    )
    os._exit(os.EX_IOERR)
