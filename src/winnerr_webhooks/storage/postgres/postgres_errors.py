"""Translation of asyncpg's errors into this program's own.

The codes are SQLSTATEs (PostgreSQL's manual, appendix A). The messages leave out the database's own
words, because these can hold data, and a caller of the API may read them. They stay in the error's
cause.
"""

import ssl
from typing import Final

import asyncpg

from winnerr_webhooks.domain.errors import Poisoned, TimedOut, Unavailable, WebhooksError

TOO_LONG: Final = "The database did not finish this in time, and nothing was done."
_RETRY_AFTER: Final = 2
_REPEATABLE: Final = ("40001", "40P01")
"""Serialization failure, deadlock: the transaction was given up in favour of another one."""
_BRIEF: Final = ("53300", "57P03")
"""All connections are in use; the server is starting, or recovering from a crash."""
_LOST: Final = ("08", "57P", "25006", "25P03")
"""Connection exceptions; shut down, crashed, not yet started; read-only: a standby by now; a
session that was ended because its transaction was idle."""
_AWAY: Final = ("53", "55", "57", "58", "XX")
"""No resources (disk full is 53100), no locks, intervention, the disk, damage."""
_DATA: Final = ("22", "23", "54")
"""Wrong data, broken constraints, limits (54000: an index entry that is too long)."""
_REASONS: Final = {
    "53100": "The database's disk is full: free some space.",
    "53300": "The database takes no more connections.",
    "25006": "The database is a standby that only reads.",
}
_TOO_LONG: Final = {
    "55P03": "Other transactions keep these rows locked, and nothing was done.",
    "57014": TOO_LONG,
}


def is_lost(error: BaseException) -> bool:
    """Return whether the connection, or the server behind it, is lost."""
    # InternalClientError: the server said something unasked, such as that it ends; or none of
    # several hosts can be written to.
    if isinstance(error, OSError | asyncpg.PostgresConnectionError | asyncpg.InternalClientError):
        return True
    if isinstance(error, asyncpg.InterfaceError):
        return "closed" in str(error) and not _is_of_data(error)
    return _code(error).startswith(_LOST)


def is_server_busy(error: BaseException) -> bool:
    """Return whether the server takes no connection yet, or no further one at the moment."""
    return _code(error) in _BRIEF


def is_temporary(error: BaseException) -> bool:
    """Return whether the same connection may be possible later."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return False
    return is_server_busy(error) or is_lost(error)


def is_retryable(error: BaseException) -> bool:
    """Return whether the same transaction can succeed when it runs again."""
    # An upgrade changed a table under a prepared statement; asyncpg has forgotten it by now.
    outdated = isinstance(error, asyncpg.InvalidCachedStatementError)
    return outdated or _code(error) in _REPEATABLE


def translate(error: BaseException) -> BaseException:
    """Return the error that a caller of the storage gets; a fault of this program is returned."""
    if isinstance(error, WebhooksError):
        return error
    code = _code(error)
    if code.startswith(_DATA) or _is_of_data(error):
        return Poisoned(f"The database refuses this data ({code or type(error).__name__}).")
    if code in _TOO_LONG:
        return TimedOut(_TOO_LONG[code], _RETRY_AFTER)
    if code in _REASONS:
        return Unavailable(_REASONS[code], _RETRY_AFTER)
    if is_lost(error) or is_retryable(error) or code.startswith(_AWAY):
        return Unavailable(
            f"The database cannot do it now ({code or type(error).__name__}).", _RETRY_AFTER
        )
    return error


def _is_of_data(error: BaseException) -> bool:
    """Return whether asyncpg could not even send the data: its own DataError has these bases."""
    return isinstance(error, UnicodeError) or (
        isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError)
    )


def _code(error: BaseException) -> str:
    return getattr(error, "sqlstate", None) or ""
