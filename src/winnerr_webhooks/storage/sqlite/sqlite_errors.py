"""Translation of apsw's errors into this program's own."""

import apsw

from winnerr_webhooks.domain.errors import Poisoned, TimedOut, Unavailable, WebhooksError

_DATA = (
    apsw.ConstraintError,
    apsw.TooBigError,
    apsw.MismatchError,
    UnicodeError,  # a lone surrogate cannot be written as UTF-8
    OverflowError,  # an integer of more than 64 bits
)
_REASONS: tuple[tuple[type[apsw.Error], str], ...] = (
    (apsw.FullError, "The disk is full: free some space."),
    (apsw.ReadOnlyError, "The database file is read-only: make it writable."),
    (apsw.CorruptError, "The database file is damaged: restore it from a backup."),
    (apsw.NotADBError, "The database file is damaged: restore it from a backup."),
    (apsw.BusyError, "The database is locked by another process."),
    (apsw.LockedError, "The database is locked by another process."),
    (apsw.IOError, "The disk does not read or write the database file."),
    (apsw.CantOpenError, "The database file cannot be opened."),
    (apsw.NoMemError, "There is not enough memory."),
)
_TOO_LONG = "The database did not finish this in time, and nothing was done."
RETRY_AFTER = 5
"""Seconds after which a caller may try again."""


def translate(error: Exception) -> Exception:
    """Return the error that a caller of the storage gets for one raised inside it.

    A fault of this program (such as wrong SQL) stays as it is.
    """
    if isinstance(error, WebhooksError):
        return error
    if isinstance(error, _DATA):
        return _because(Poisoned(f"The database refuses this data: {error}"), error)
    if isinstance(error, apsw.InterruptError):
        return _because(TimedOut(_TOO_LONG, RETRY_AFTER), error)
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return _because(Unavailable(reason, RETRY_AFTER), error)
    return error


def _because(new: WebhooksError, error: Exception) -> WebhooksError:
    new.__cause__ = error
    return new
