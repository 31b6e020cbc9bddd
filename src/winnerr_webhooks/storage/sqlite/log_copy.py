"""When SQLite's write-ahead log is copied into the database, and on which thread.

Only a log that is copied whole, with nobody reading in it, is started over; else it grows. SQLite's
own checkpoints, at every 1,000 pages, would run inside a commit, and one that copies much keeps the
writer from its work for tens of milliseconds. So another thread copies while the writer goes on,
again and again until what came meanwhile is little; that rest the writer copies itself.
"""

import os
import threading
from collections.abc import Callable
from typing import Final, NoReturn

import apsw
import structlog

from winnerr_webhooks.storage.sqlite.connection import Connection

COPIED_PAGES: Final = 4_000
"""A log that is longer is copied."""
REST_PAGES: Final = 500
"""So many pages the writer copies itself: a few milliseconds."""
LONG_PAGES: Final = 8_000
"""The writer copies a log that is longer, whatever it takes, and no search begins in it."""

log = structlog.get_logger(__name__)


class LogCopy:
    """Looks at the log after each of the writer's commits.

    `copy` is of the other thread; while it is under way nobody else copies, so all but `copy_by`
    and `may_search` belongs to one thread at a time.
    """

    def __init__(self, writer: Connection, ask_for_copy: Callable[[], None]) -> None:
        self.pages = 0
        """How long the log is."""
        self.may_search = threading.Event()
        """Not while the log is long: who reads in it keeps it from being started over."""
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
        # Kept open until every connection is closed: to close any descriptor of a file ends all
        # locks that the process has on it (POSIX, fcntl).
        self._file = os.open(writer.apsw.db_filename("main"), os.O_RDONLY)
        writer.apsw.set_wal_hook(self._note_pages)

    def _note_pages(self, _connection: object, _database: str, pages: int) -> int:
        self.pages = pages
        return 0

    def look(self) -> None:
        """Copy what has to be copied, or have it copied."""
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
        self._copied = self.copy_by(self._writer)
        # When all is copied the next commit starts it over, unless somebody reads in it.
        self._pause = self._pause_after(pages - self._copied) or REST_PAGES
        if self._copied == pages:
            self.may_search.set()
        elif pages >= LONG_PAGES:
            self.may_search.clear()

    def copy(self, other: Connection) -> None:
        """Copy as much as others' reading allows, on the thread of another connection.

        SQLite syncs the database only when the log is copied to its end. So that this is little,
        too, when the writer copies the rest, what was copied here is synced here.
        """
        self._copied = self.copy_by(other)
        self._pause = self._pause_after(self._begun_at - self._copied)
        self._syncing.set()
        try:
            os.fsync(self._file)
        except OSError as error:
            _end(error)
        self._syncing.clear()
        self._under_way.clear()

    def _pause_after(self, missing: int) -> int:
        """Somebody reads where copying stopped: he may have begun just now, or long ago."""
        if missing <= 0:
            return 0
        return REST_PAGES if missing <= REST_PAGES else COPIED_PAGES

    def copy_by(self, connection: Connection) -> int:
        """Copy on the thread of a connection, as far as nobody is in the way; up to which page."""
        try:
            return connection.checkpoint()
        except apsw.IOError as error:
            _end(error)

    def close(self) -> None:
        """Let go of the file; no connection has it open any more."""
        os.close(self._file)


def _end(error: Exception) -> NoReturn:
    """End the process: the disk may have lost pages of the database, but they are in the log still.

    A second sync would succeed, as if nothing had been, and then the log would be started over. The
    next start reads all of the log anew, as after a crash. So does PostgreSQL (`data_sync_retry`).
    """
    log.critical(
        "the disk did not keep what was written to the database: look after it. Nothing accepted "
        "is lost: the next start writes it once more",
        reason=str(error),
    )
    os._exit(os.EX_IOERR)
