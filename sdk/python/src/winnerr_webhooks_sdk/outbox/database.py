"""A connection of any driver, seen alike."""

from __future__ import annotations

import contextlib
import inspect
import sys
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

Row = Tuple[Any, ...]

_STYLES = {"qmark", "format", "pyformat", "numeric", "named"}
"""PEP 249, `paramstyle`."""
_DIALECTS = {
    "sqlite3": "sqlite",
    "psycopg": "postgresql",
    "psycopg2": "postgresql",
    "pg8000": "postgresql",
    "pymysql": "mysql",
    "MySQLdb": "mysql",
    "mysql": "mysql",
    "mariadb": "mysql",
}
"""What each driver talks to, by the name of its package."""
_MYSQL_IN_TRANSACTION = 1
"""MySQL's protocol, `SERVER_STATUS_IN_TRANS`."""


class Database:
    """Runs statements on a connection of the DB-API (PEP 249), of Django or of SQLAlchemy.

    Statements are written with `?`; the driver's own style is put in. `TypeError` for what is no
    such connection.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._is_sqlalchemy = not hasattr(connection, "cursor") and _is_of(connection, "sqlalchemy")
        if inspect.iscoroutinefunction(getattr(connection, "execute", None)):
            raise TypeError(
                "This connection is asynchronous. With SQLAlchemy, use await session.run_sync("
                "lambda session: Outbox(session).emit(…)); otherwise use a driver of the DB-API."
            )
        self._style = "named" if self._is_sqlalchemy else _paramstyle(connection)

    @property
    def dialect(self) -> str:
        """`postgresql`, `mysql` or `sqlite`; `TypeError` if it is not known."""
        connection = self._connection
        if self._is_sqlalchemy:
            bind = connection.get_bind() if hasattr(connection, "get_bind") else connection
            name = str(bind.dialect.name)
        elif _is_of(connection, "django"):
            name = str(connection.vendor)
        else:
            name = next((_DIALECTS[one] for one in _packages(connection) if one in _DIALECTS), "")
        name = "mysql" if name == "mariadb" else name
        if name not in ("postgresql", "mysql", "sqlite"):
            raise TypeError(
                "It is not known which database this connection is of: take the statements from "
                "table_sql('postgresql'), 'mysql' or 'sqlite' and run them."
            )
        return name

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; how many rows it changed."""
        if self._is_sqlalchemy:
            return int(self._execute(sql, values).rowcount)
        with self._cursor() as cursor:
            cursor.execute(*self._spell(sql, values))
            return int(cursor.rowcount)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> List[Row]:
        """Run a query; its rows."""
        if self._is_sqlalchemy:
            return [tuple(row) for row in self._execute(sql, values)]
        with self._cursor() as cursor:
            cursor.execute(*self._spell(sql, values))
            # A connection may be set to give rows as dictionaries.
            names = [column[0] for column in cursor.description]
            return [
                tuple(row[name] for name in names) if isinstance(row, dict) else tuple(row)
                for row in cursor.fetchall()
            ]

    def commit(self) -> None:
        """Commit."""
        self._connection.commit()

    def rollback(self) -> None:
        """Roll back."""
        self._connection.rollback()

    def is_autocommit(self) -> bool:
        """Whether a statement would be committed by itself now, where the driver can tell."""
        connection = self._connection
        if _is_of(connection, "django"):
            return bool(connection.get_autocommit()) and not connection.in_atomic_block
        if _is_of(connection, "sqlite3"):
            return connection.isolation_level is None and not connection.in_transaction
        if _is_of(connection, "psycopg"):
            return bool(connection.autocommit) and connection.info.transaction_status.name == "IDLE"
        if _is_of(connection, "pymysql"):
            in_transaction = connection.server_status & _MYSQL_IN_TRANSACTION
            return bool(connection.get_autocommit()) and not in_transaction
        return False

    def _execute(self, sql: str, values: Sequence[Any]) -> Any:
        import sqlalchemy  # noqa: PLC0415  only who uses it needs it

        text, parameters = self._spell(sql, values)
        return self._connection.execute(sqlalchemy.text(text), parameters)

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[Any]:
        cursor = self._connection.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    def _spell(
        self, sql: str, values: Sequence[Any]
    ) -> Tuple[str, Union[Tuple[Any, ...], Dict[str, Any]]]:
        """Write a statement in the driver's style."""
        parts = sql.split("?")
        if self._style == "qmark":
            return sql, tuple(values)
        if self._style in ("format", "pyformat"):
            return "%s".join(parts), tuple(values)
        mark = ":" if self._style == "numeric" else ":v"
        text = parts[0] + "".join(f"{mark}{n}{part}" for n, part in enumerate(parts[1:], 1))
        if self._style == "numeric":
            return text, tuple(values)
        return text, {f"v{n}": value for n, value in enumerate(values, 1)}


def marks(count: int) -> str:
    """Return the placeholders of a list of values."""
    return ", ".join("?" * count)


def _packages(connection: Any) -> List[str]:
    """Return the packages whose classes this connection is of."""
    inner = getattr(connection, "driver_connection", None)  # SQLAlchemy's raw_connection()
    found = [] if inner is None else _packages(inner)
    return found + [one.__module__.partition(".")[0] for one in type(connection).__mro__]


def _is_of(connection: Any, package: str) -> bool:
    return package in _packages(connection)


def _paramstyle(connection: Any) -> str:
    if _is_of(connection, "django"):
        return "format"  # whatever the database (Django's documentation, "Performing raw SQL")
    inner = getattr(connection, "driver_connection", None) or connection
    for one in type(inner).__mro__:
        module = one.__module__
        while module:
            style: Optional[str] = getattr(sys.modules.get(module), "paramstyle", None)
            if style in _STYLES:
                return str(style)
            module = module.rpartition(".")[0]
    raise TypeError(
        "An outbox takes a connection of a DB-API driver (sqlite3, psycopg, PyMySQL, …), Django's "
        "django.db.connection, or a Connection or Session of SQLAlchemy; this is a "
        f"{type(connection).__module__}.{type(connection).__qualname__}."
    )
