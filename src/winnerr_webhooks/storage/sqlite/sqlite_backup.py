"""Backup: a consistent copy of a database file, made while a server uses it."""

import os
from pathlib import Path

import apsw

from winnerr_webhooks.domain.errors import ConfigurationError, Invalid
from winnerr_webhooks.storage.sqlite.sqlite_connection import BUSY_MS, create_file
from winnerr_webhooks.storage.sqlite.sqlite_errors import translate
from winnerr_webhooks.storage.sqlite.sqlite_file import APPLICATION_ID


def back_up(source: str, target: Path) -> None:
    """Copy the database `source` into a new file `target` (mode 0600), on disk when this returns.

    The copy is of one moment and smaller than its source (SQLite, VACUUM INTO). A server may go on
    writing meanwhile; its log grows by what it writes until the copy is done. Blocking.

    `Invalid` when the target exists or cannot be made, `ConfigurationError` when there is no
    database, `Unavailable` when the disk is full. A copy that failed leaves no file behind.
    """
    if not Path(source).is_file():
        raise ConfigurationError(f"There is no database {source} to copy.")
    if target.exists():
        raise Invalid(f"{target} exists already: name a file that does not.")
    try:
        create_file(str(target))
    except OSError as error:
        raise Invalid(f"{target} cannot be made: {error.strerror}.") from error
    try:
        _copy(source, target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _copy(source: str, target: Path) -> None:
    try:
        connection = apsw.Connection(source, flags=apsw.SQLITE_OPEN_READWRITE)
    except apsw.Error as error:
        raise translate(error) from error
    try:
        connection.set_busy_timeout(BUSY_MS)
        if connection.pragma("application_id") != APPLICATION_ID:
            raise ConfigurationError(f"{source} is no database of this program.")
        connection.execute("VACUUM INTO ?", (str(target),))
    except apsw.Error as error:
        raise translate(error) from error
    finally:
        connection.close()
    for path in (target, target.parent):
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
