"""Connections to a product's database, from a URL."""

from __future__ import annotations

import importlib
import sqlite3
from pathlib import Path
from typing import Any, Callable, Dict
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

WAIT_SECONDS = 30.0
"""How long to wait for a connection, and in SQLite for another writer."""
_MYSQL_PORT = 3306
_MYSQL_OPTIONS = {"ssl_ca", "ssl_cert", "ssl_key", "unix_socket"}
"""Words of a MySQL URL's query, passed to PyMySQL as they are."""
_ENCODE = "In the user and the password, write / : @ # ? and % as %2F %3A %40 %23 %3F and %25."
_FORMS = "postgresql://user@host/name, mysql://user@host/name or sqlite:///path"


def connector(url: str) -> Callable[[], Any]:
    """Return a function that opens a connection to the database at `url`.

    Schemes are `postgresql` (psycopg), `mysql` and `mariadb` (PyMySQL), and `sqlite`. A driver that
    is named as in SQLAlchemy, such as `postgresql+asyncpg`, is left out of account. `ValueError` if
    the URL is none of these, or its driver is not installed; the text holds no password.
    """
    scheme = url.partition("://")[0].partition("+")[0]
    if scheme in ("postgresql", "postgres"):
        return _postgresql("postgresql://" + url.partition("://")[2])
    if scheme in ("mysql", "mariadb"):
        return _mysql(url)
    if scheme == "sqlite":
        return _sqlite(urlsplit(url))
    raise ValueError(f"A database's URL is {_FORMS}; this one begins with {scheme or 'nothing'!r}.")


def _postgresql(url: str) -> Callable[[], Any]:
    psycopg = _driver("psycopg", "psycopg[binary]")
    try:
        psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # its text may hold a part of the password
        raise ValueError(f"This is not a URL of PostgreSQL. {_ENCODE}") from None
    return lambda: psycopg.connect(url, connect_timeout=int(WAIT_SECONDS))


def _mysql(url: str) -> Callable[[], Any]:
    try:
        parts = urlsplit(url)
        port = parts.port or _MYSQL_PORT
    except ValueError:  # its text may hold a part of the password
        raise ValueError(f"This is not a URL of MySQL. {_ENCODE}") from None
    options: Dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(set(options) - _MYSQL_OPTIONS)
    if unknown:
        known = ", ".join(sorted(_MYSQL_OPTIONS))
        raise ValueError(f"{unknown[0]!r} is no word of a MySQL URL's query; there are {known}.")
    pymysql = _driver("pymysql", "PyMySQL")
    options.update(
        host=parts.hostname or "localhost",
        port=port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=unquote(parts.path[1:]),
        connect_timeout=int(WAIT_SECONDS),
    )
    return lambda: pymysql.connect(**options)


def _sqlite(parts: SplitResult) -> Callable[[], Any]:
    name = unquote(parts.path[1:])
    if parts.netloc or not name:
        raise ValueError("A SQLite URL is sqlite:///relative.db or sqlite:////absolute/file.db.")

    def connect() -> sqlite3.Connection:
        # Without mode=rw a mistyped path would make an empty database.
        return sqlite3.connect(
            Path(name).absolute().as_uri() + "?mode=rw", uri=True, timeout=WAIT_SECONDS
        )

    return connect


def _driver(module: str, distribution: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(
            f"This database needs the driver {module}, which this Python cannot import ({error}). "
            f"Install it beside this program: pip install '{distribution}'"
        ) from None
