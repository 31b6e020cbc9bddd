"""The outbox: on SQLite, and on PostgreSQL and MariaDB where they can be started."""

import contextlib
import sqlite3
from datetime import datetime, timezone

import pytest

import harness
from harness import PostgresDatabase, SqliteDatabase, emit, sent
from winnerr_webhooks_sdk.new_event import rfc3339
from winnerr_webhooks_sdk.outbox import Outbox, Round, count_rows, create_table, relay, table_sql

JANE = {"id": "contact_xyz", "name": "Zoë 木村 🙂", "quote": "'; --", "percent": "100 %s :v1 ?"}


def test_an_event_is_moved_as_it_was_emitted(connection, api, sender):
    happened_at = datetime(2025, 1, 15, 14, 23, tzinfo=timezone.utc)
    id = Outbox(connection).emit("contact.created", "org_1", JANE, happened_at=happened_at)
    connection.commit()
    assert relay(connection, sender) == Round(accepted=1)
    assert sent(api) == [
        {
            "event": "contact.created",
            "organizationId": "org_1",
            "data": JANE,
            "id": id,
            "timestamp": "2025-01-15T14:23:00Z",
        }
    ]
    assert relay(connection, sender) == Round()
    assert count_rows(connection) == (0, 0, None)


def test_without_a_time_an_event_happened_when_it_was_emitted(connection, api, sender):
    before = rfc3339(datetime.now(timezone.utc))
    Outbox(connection).emit("contact.created", "org_1", {})
    connection.commit()
    relay(connection, sender)
    assert before <= sent(api)[0]["timestamp"] <= rfc3339(datetime.now(timezone.utc))


def test_an_event_of_a_transaction_that_is_rolled_back_never_happened(connection, api, sender):
    Outbox(connection).emit("contact.created", "org_1", JANE)
    connection.rollback()
    assert relay(connection, sender) == Round()
    assert api.requests == []


def test_the_same_id_may_be_emitted_by_two_transactions(connection, api, sender):
    emit(connection, 1)
    emit(connection, 1)
    assert relay(connection, sender).accepted == 2
    assert [event["id"] for event in sent(api)] == ["org_1-1", "org_1-1"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("contact.created", "org 1", {}), ValueError),
        (("Contact", "org_1", {}), ValueError),
        (("contact.created", "org_1", {"at": datetime(2025, 1, 1)}), TypeError),
        (("contact.created", "org_1", {"x": "y" * 300_000}), ValueError),
    ],
)
def test_an_event_that_cannot_be_sent_is_an_error_in_the_transaction(connection, arguments, error):
    with pytest.raises(error):
        Outbox(connection).emit(*arguments)
    connection.commit()
    assert count_rows(connection).waiting == 0


def test_the_table_may_have_another_name(connection, api, sender):
    name = "my_outbox"
    create_table(connection, name)
    create_table(connection, name)
    Outbox(connection, name).emit("contact.created", "org_1", {})
    connection.commit()
    assert relay(connection, sender, table=name).accepted == 1
    with pytest.raises(ValueError, match="letters"):
        Outbox(connection, "x; DROP TABLE y")


def test_sqlite_outside_a_transaction_is_an_error(databases):
    with contextlib.closing(databases("sqlite").connect()) as connection:
        connection.isolation_level = None
        create_table(connection)
        with pytest.raises(RuntimeError, match="No transaction"):
            Outbox(connection).emit("contact.created", "org_1", {})
        connection.execute("BEGIN")
        Outbox(connection).emit("contact.created", "org_1", {})
        connection.rollback()


def test_psycopg_outside_a_transaction_is_an_error(databases):
    with contextlib.closing(databases("postgresql").connect()) as connection:
        connection.autocommit = True
        create_table(connection)
        with pytest.raises(RuntimeError, match="No transaction"):
            Outbox(connection).emit("contact.created", "org_1", {})
        with connection.transaction():
            Outbox(connection).emit("contact.created", "org_1", {}, id="in-autocommit")


def test_pymysql_outside_a_transaction_is_an_error(databases):
    with contextlib.closing(databases("mysql").connect()) as connection:
        create_table(connection)
        connection.autocommit(True)
        with pytest.raises(RuntimeError, match="No transaction"):
            Outbox(connection).emit("contact.created", "org_1", {})
        connection.begin()
        Outbox(connection).emit("contact.created", "org_1", {})
        connection.rollback()


def test_what_is_no_connection_is_an_error():
    with pytest.raises(TypeError, match="DB-API"):
        Outbox(object())
    with pytest.raises(ValueError, match="postgresql, mysql or sqlite"):
        table_sql("oracle")


# --- SQLAlchemy and Django ----------------------------------------------------------------------


def sqlalchemy_url(database):
    if isinstance(database, SqliteDatabase):
        return f"sqlite:///{database.file}"
    if isinstance(database, PostgresDatabase):
        return database.url.replace("postgresql://", "postgresql+psycopg://")
    return f"mysql+pymysql://root@127.0.0.1:{database.port}/product"


def test_sqlalchemy_connections_and_sessions_are_taken(database, connection, api, sender):
    sqlalchemy = pytest.importorskip("sqlalchemy")
    orm = pytest.importorskip("sqlalchemy.orm")
    engine = sqlalchemy.create_engine(sqlalchemy_url(database))
    with engine.begin() as begun:
        create_table(begun)
        Outbox(begun).emit("contact.created", "org_1", JANE, id="connection")
    with orm.Session(engine) as session:
        Outbox(session).emit("contact.created", "org_1", JANE, id="session")
        session.commit()
        Outbox(session).emit("contact.created", "org_1", JANE, id="rolled back")
        session.rollback()
        create_table(session)
    scoped = orm.scoped_session(orm.sessionmaker(engine))
    Outbox(scoped).emit("contact.created", "org_1", JANE, id="scoped")
    scoped.commit()
    scoped.remove()
    raw = engine.raw_connection()
    Outbox(raw).emit("contact.created", "org_1", JANE, id="raw")
    raw.commit()
    raw.close()
    engine.dispose()
    assert relay(connection, sender).accepted == 4
    assert [event["id"] for event in sent(api)] == ["connection", "session", "scoped", "raw"]
    assert all(event["data"] == JANE for event in sent(api))


def test_djangos_connection_is_taken_inside_atomic(api, sender):
    harness.configure_django()
    from django.db import connection, transaction

    create_table(connection)
    with pytest.raises(RuntimeError, match="atomic"):
        Outbox(connection).emit("contact.created", "org_1", JANE)
    with transaction.atomic():
        Outbox(connection).emit("contact.created", "org_1", JANE, id="django")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Outbox(connection).emit("contact.created", "org_1", JANE, id="rolled back")
        raise ZeroDivisionError
    with contextlib.closing(sqlite3.connect(connection.settings_dict["NAME"])) as own:
        assert relay(own, sender).accepted == 1
    connection.close()
    assert [event["id"] for event in sent(api)] == ["django"]
    assert sent(api)[0]["data"] == JANE
