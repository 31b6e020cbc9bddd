"""SQLite itself, set up for a process that is all ours."""

from contextlib import suppress
from typing import Final

import apsw

_SLOT_BYTES: Final = 1200
_SLOTS: Final = 1200
"""A batch binds some 1,700 values, and SQLite copies each. With so many slots a connection (1.4 MiB
of them) nearly all of these find one of the connection's own; by default 40 do, and the rest
goes through malloc."""


def set_up_library() -> None:
    """Give connections a store of small pieces of memory, and keep no statistics of memory.

    For a process that is ours alone, before its first connection: SQLite takes these settings
    only while nobody uses it. Where it does not take them, all works as well, only slower.
    """
    with suppress(apsw.Error):
        apsw.shutdown()  # importing apsw has set it up already
        apsw.config(apsw.SQLITE_CONFIG_MEMSTATUS, False)
        apsw.config(apsw.SQLITE_CONFIG_LOOKASIDE, _SLOT_BYTES, _SLOTS)
