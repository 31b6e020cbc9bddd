"""Opening a database file: it is made, upgraded, or refused with the reason."""

import errno
import fcntl
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, TextIO

import apsw

from winnerr_webhooks.domain.errors import CannotStart, ConfigurationError
from winnerr_webhooks.file_permissions import permission_advice
from winnerr_webhooks.storage.sqlite.sqlite_connection import BUSY_MS, create_file
from winnerr_webhooks.storage.sqlite.sqlite_session import SqliteSession
from winnerr_webhooks.storage.sqlite.sqlite_statements import migrations, statements

APPLICATION_ID = 0x57574B31
"""In the file's header (SQLite file format, section 1.3.17): `WWK1`."""

_SUFFIXES: Final = ("", "-wal", "-shm", ".lock")
_LOG_TRIES: Final = 100
_LOG_WAIT: Final = BUSY_MS / 1000 / _LOG_TRIES


def open_writer(path: str, *, cache_kib: int) -> SqliteSession:
    """Return the writing connection of a database, which is made or upgraded where needed.

    `ConfigurationError` when the file is of a newer version of this program, of another program,
    damaged, or in a folder that does not exist.
    """
    connection: SqliteSession | None = None
    try:
        create_file(path)
        _check_names(path)
        connection = SqliteSession(path, cache_kib=cache_kib)
        _upgrade(connection, path)
    except (OSError, apsw.Error, ConfigurationError, CannotStart) as error:
        if connection is not None:
            connection.close()
        raise _explained(error, path) from error
    return connection


_MAY_PASS = (apsw.FullError, apsw.IOError, apsw.BusyError, apsw.LockedError, apsw.NoMemError)
"""A full or failing disk, another process, no memory: the same start may work in a minute."""
_LITTLE: Final = 65_536
"""With less free space SQLite cannot open a file, and may call that an I/O error."""


def _explained(error: Exception, path: str) -> ConfigurationError | CannotStart:
    if isinstance(error, ConfigurationError | CannotStart):
        return error
    if isinstance(error, _MAY_PASS) or getattr(error, "errno", None) == errno.ENOSPC:
        reason = "The disk is full: free some space" if _is_full(path) else error
        return CannotStart(f"The database file {path} cannot be used now: {reason}.")
    if isinstance(error, apsw.NotADBError | apsw.CorruptError):
        return ConfigurationError(
            f"The database file {path} is damaged, or no database ({error}): restore it from a "
            "backup, or name another file."
        )
    advice = permission_advice(*(Path(f"{path}{suffix}") for suffix in _SUFFIXES))
    return ConfigurationError(
        f"The database file {path} cannot be used: {error}. "
        f"{advice or 'Name a file in a folder that exists and may be written to'}."
    )


def _is_full(path: str) -> bool:
    try:
        return shutil.disk_usage(Path(path).parent).free < _LITTLE
    except OSError:
        return False


def _check_names(path: str) -> None:
    """Refuse a file with several names: SQLite's log and our lock are found by the name."""
    names = Path(path).stat().st_nlink
    if names != 1:
        raise ConfigurationError(
            f"The database file {path} has {names} names (hard links), and each would get a log "
            "and a lock of its own: remove the others, or copy the file."
        )


def real_name(path: str | Path) -> str:
    """Return the file's own name, behind any links: one file must have one lock and one log."""
    return str(Path(path).resolve())


def _upgrade(connection: SqliteSession, path: str) -> None:
    scripts = migrations()
    connection.begin_read()  # another command may be making the file at this moment
    try:
        is_current = _recognised(connection, path) == len(scripts)
    finally:
        connection.rollback()
    _use_log(connection)
    if is_current:
        return
    connection.begin()  # of two commands that start together, the second waits here
    try:
        for script in scripts[_recognised(connection, path) :]:
            connection.apsw.execute(script).fetchall()
        connection.apsw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.apsw.execute(f"PRAGMA user_version = {len(scripts)}")
        connection.commit()
    finally:
        connection.rollback()


def _use_log(connection: SqliteSession) -> None:
    """Turn the write-ahead log on: the file is new, or restored (`VACUUM INTO` turns it off).

    Of two processes that do this together SQLite refuses one at once, whatever its busy timeout:
    both read before they write.
    """
    for tries_left in reversed(range(_LOG_TRIES)):
        try:
            if connection.apsw.pragma("journal_mode") != "wal":
                connection.apsw.pragma("journal_mode", "wal")
        except apsw.BusyError:
            if not tries_left:
                raise
            time.sleep(_LOG_WAIT)
        else:
            return


def _recognised(connection: SqliteSession, path: str) -> int:
    """Return the version of the file, or 0 if it is new."""
    application = connection.apsw.pragma("application_id")
    version = connection.apsw.pragma("user_version")
    known = len(migrations())
    if application != APPLICATION_ID:
        tables = connection.apsw.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if application or tables != (0,):
            raise ConfigurationError(
                f"The file {path} is another program's database: name a file of its own."
            )
    if version > known:
        raise ConfigurationError(
            f"The database {path} was made by a newer version of this program (its version is "
            f"{version}, the newest known here {known}): upgrade winnerr-webhooks."
        )
    return int(version)


def lock(path: str) -> TextIO:
    """Return the lock that lets one `serve` at a time use a database; it ends with the process."""
    try:
        create_file(f"{path}.lock")
        file = Path(f"{path}.lock").open("a+", encoding="ascii")  # noqa: SIM115  held while serving
    except OSError as error:
        raise _explained(error, path) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        holder = file.read(20).strip()
        file.close()
        raise CannotStart(
            f"Another server (process {holder or 'unknown'}) runs on {path}: stop it first, or "
            "give this one another DATABASE_URL."
        ) from error
    with suppress(OSError):  # a full disk: the number only helps the next one's error message
        os.truncate(file.fileno(), 0)
        os.write(file.fileno(), str(os.getpid()).encode())
    return file


def has_secrets(path: str) -> bool:
    """Return whether a database exists and holds sealed secrets, without opening it for use.

    `ConfigurationError` when it cannot be read.
    """
    if not Path(path).exists():
        return False
    try:
        connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.set_busy_timeout(BUSY_MS)
            if connection.table_exists("main", "webhook"):
                return connection.execute(statements()["any_secret"].text).fetchone() == (1,)
        finally:
            connection.close()
    except apsw.Error as error:
        raise _explained(error, path) from error
    return False
