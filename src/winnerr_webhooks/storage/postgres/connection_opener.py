"""Opening one connection to PostgreSQL: how it is set up, and why it may be impossible."""

import asyncio
import socket
import ssl
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import urlunsplit

import asyncpg
import structlog

from winnerr_webhooks import database_url
from winnerr_webhooks.storage.postgres.url_options import for_driver

SCHEMA: Final = "winnerr_webhooks"
"""The schema of all tables, so that a database can be shared with another program."""
CONNECT_SECONDS: Final = 3.0

FAILURES: Final = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    UnicodeError,
)
"""What asyncpg raises when it cannot connect (UnicodeError: a host name that no DNS can have)."""

_SETTINGS: Final = {
    "search_path": f"{SCHEMA},pg_catalog",
    # A node that is stopped in the middle of a transaction must not keep its locks.
    "idle_in_transaction_session_timeout": "'5s'",
    "statement_timeout": "'1700ms'",
    "lock_timeout": "'1500ms'",
    # The statistics of a queue are always out of date: no plan may rest on them.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    # What statements rest on, and a role or a database may have set otherwise.
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "array_nulls": "on",
    "default_transaction_isolation": "'read committed'",
    "default_transaction_deferrable": "off",
}
_NAMED: Final = {"application_name": "winnerr-webhooks"}
_CHECK: Final = """
SELECT pg_backend_pid(), current_setting('synchronous_commit') IN ('on', 'off'),
    current_setting('transaction_read_only') = 'on',
    (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
"""

log = structlog.get_logger(__name__)


class Backend(NamedTuple):
    """A process of the server. Its number alone is not enough: another process may have it now."""

    pid: int
    began: datetime


class Connection(asyncpg.Connection):  # type: ignore[misc]  # it has no types
    """A connection that knows its backend, even after it is lost."""

    __slots__ = ("backend",)

    backend: Backend | None
    """None if it is unknown: behind a pooler, or without the right to see it."""


class ConnectionOpener:
    """Opens connections to one database, and remembers what it learned about it."""

    def __init__(self, url: str) -> None:
        given = for_driver(url)
        if given.ignored:
            log.info("options of the database's URL have no effect here", options=given.ignored)
        self._tls = ssl.create_default_context() if given.trusts_system else None
        self._urls = _one_host_each(given.url)
        """One for each host. The last that could be written to comes first."""
        self.failures: dict[str, BaseException] = {}
        """Why the last call of `open` failed, by host."""
        self.pooled = False
        """Whether a pooler is in between: then nothing may outlive a transaction."""
        self.local_settings = ""
        """What sets up a transaction behind a pooler; empty: the connection itself is set up."""

    async def open(self) -> Connection:
        """Open a connection that can write; one of `FAILURES` says why that is not possible.

        Each of several hosts has its share of the time, because one whose machine is gone does not
        answer at all. (asyncpg has one time limit for all of them.)
        """
        share = CONNECT_SECONDS / len(self._urls)
        failures: dict[str, BaseException] = {}
        for url in tuple(self._urls):
            try:
                async with asyncio.timeout(share):
                    connection = await self._open(url)
            except FAILURES as error:
                failures[_host(url)] = error
            else:
                self._urls.sort(key=lambda one: one != url)
                return connection
        self.failures = failures
        raise next(iter(failures.values()))

    def describe_failures(self) -> str:
        """Why the last call of `open` failed; with the hosts if there are several."""
        reasons = {host: describe_error(error) for host, error in self.failures.items()}
        if len(reasons) == 1:
            return next(iter(reasons.values()))
        return "; ".join(f"{host}: {reason}" for host, reason in reasons.items())

    async def _open(self, url: str) -> Connection:
        connection: Connection = await asyncpg.connect(
            url,
            connection_class=Connection,
            timeout=CONNECT_SECONDS,
            statement_cache_size=0 if self.pooled else 500,
            max_cached_statement_lifetime=0,
            server_settings=None if "application_name=" in url else _NAMED,
            **({"ssl": self._tls} if self._tls is not None else {}),
        )
        try:
            if await self._set_up(connection):
                return connection
        except BaseException:
            connection.terminate()
            raise
        connection.terminate()
        return await self._open(url)

    async def _set_up(self, connection: Connection) -> bool:
        """Set up a connection. Return False if a pooler was found: then open it in another way."""
        await connection.execute("BEGIN")
        # Without a name: a named statement would stay on a pooler's connection, and collide with
        # the names of the next process.
        statement = await connection.prepare(_CHECK, name="")
        pid, is_for_reloads, only_reads, began = await statement.fetchrow()
        await connection.execute("COMMIT")
        if only_reads:
            raise asyncpg.ReadOnlySQLTransactionError("the database is a standby that only reads")
        connection.backend = None
        settings = dict(_SETTINGS)
        if is_for_reloads:  # a reload could turn it off, and a 202 promises that it is on disk
            settings["synchronous_commit"] = "on"
        if pid != connection.get_server_pid():
            self.local_settings = _assignments("LOCAL ", settings)
            was_known, self.pooled = self.pooled, True
            if not was_known:
                log.info("a connection pooler is in front of the database")
            return was_known
        if not self.pooled:
            connection.backend = Backend(pid, began) if began is not None else None
            await connection.execute(_assignments("", settings))
        return True


def _one_host_each(url: str) -> list[str]:
    """Return a URL for each of its hosts."""
    parts = database_url.split(url)
    who, at, hosts = parts.netloc.rpartition("@")
    return [urlunsplit(parts._replace(netloc=f"{who}{at}{host}")) for host in hosts.split(",")]


def _host(url: str) -> str:
    return database_url.split(url).netloc.rpartition("@")[2]


def describe_error(error: BaseException) -> str:
    """Why there is no connection, for the operator: it never shows a part of a password."""
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, socket.gaierror):
        return f"its host's name cannot be looked up ({error.strerror})"
    if isinstance(error, ssl.SSLCertVerificationError):  # a ValueError, too
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ValueError):  # from parsing the URL, whose text it repeats
        return "its URL cannot be read"
    text = str(error).partition("\n")[0].strip().rstrip(".")
    return text or type(error).__name__


def _assignments(scope: str, settings: dict[str, str]) -> str:
    return "".join(f"SET {scope}{name} = {value};" for name, value in settings.items())
