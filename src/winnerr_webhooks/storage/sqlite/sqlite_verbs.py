"""How the verbs of SQLite reach the database: on which thread, with which time limit."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from winnerr_webhooks.storage.sqlite import calls
from winnerr_webhooks.storage.sqlite.sqlite_session import SqliteSession, run_to_end
from winnerr_webhooks.storage.sqlite.threads import Threads
from winnerr_webhooks.storage.verb_base import VerbBase

T = TypeVar("T")
SqliteVerb = Callable[[SqliteSession], Coroutine[Any, Any, T]]


class SqliteVerbs(VerbBase):
    """The base of the parts of a `SqliteStorage`."""

    _threads: Threads

    async def _write(self, verb: SqliteVerb[T]) -> T:
        return await self._threads.write(run_to_end(verb))

    async def _write_slice(self, verb: SqliteVerb[T]) -> T:
        return await self._threads.write_later(run_to_end(verb), calls.JOB)

    async def _read(self, verb: SqliteVerb[T]) -> T:
        return await self._threads.read(run_to_end(verb))

    async def _search(self, organization: str, verb: SqliteVerb[T]) -> T:
        async with self._searches.slot(organization):
            return await self._threads.search(run_to_end(verb))

    async def _scan(self, organization: str, verb: SqliteVerb[T]) -> T:
        async with self._searches.slot(organization):
            return await self._threads.search(run_to_end(verb), calls.SCAN)

    async def _read_for_road(self, verb: SqliteVerb[T]) -> T:
        return await self._threads.read_for_road(run_to_end(verb))

    async def _look_up(self, verb: SqliteVerb[T]) -> T:
        return await self._read_for_road(verb)
