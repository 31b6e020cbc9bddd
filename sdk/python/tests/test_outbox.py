"""The outbox: on SQLite, and on PostgreSQL and MariaDB where they can be started."""

import contextlib
import json
import sqlite3
import threading
from datetime import datetime, timezone

import pytest

import harness
from harness import PostgresDatabase, SqliteDatabase, problem
from winnerr_webhooks_sdk import Accepted, Emitter, Refused, Unavailable
from winnerr_webhooks_sdk.new_event import rfc3339
from winnerr_webhooks_sdk.outbox import (
    Outbox,
    Round,
    count_rows,
    create_table,
    list_refused,
    relay,
    retry_refused,
    run_relay,
    table_sql,
)

JANE = {"id": "contact_xyz", "name": "Zoë 木村 🙂", "quote": "'; --", "percent": "100 %s :v1 ?"}


@pytest.fixture
def connection(database):
    with contextlib.closing(database.connect()) as one:
        yield one


@pytest.fixture
def other(database):
    with contextlib.closing(database.connect()) as one:
        yield one


@pytest.fixture
def emitter(api):
    with Emitter(api.url, "key", retry_for=0) as one:
        yield one


def emit(connection, *numbers, organization="org_1"):
    outbox = Outbox(connection)
    for number in numbers:
        outbox.emit("contact.created", organization, {"n": number}, id=f"{organization}-{number}")
    connection.commit()


def sent(api):
    return [event for request in api.requests for event in request]


# --- writing ------------------------------------------------------------------------------------


def test_an_event_is_moved_as_it_was_emitted(connection, api, emitter):
    happened_at = datetime(2025, 1, 15, 14, 23, tzinfo=timezone.utc)
    id = Outbox(connection).emit("contact.created", "org_1", JANE, happened_at=happened_at)
    connection.commit()
    assert relay(connection, emitter) == Round(accepted=1)
    assert sent(api) == [
        {
            "event": "contact.created",
            "organizationId": "org_1",
            "data": JANE,
            "id": id,
            "timestamp": "2025-01-15T14:23:00Z",
        }
    ]
    assert relay(connection, emitter) == Round()
    assert count_rows(connection) == (0, 0, None)


def test_without_a_time_an_event_happened_when_it_was_emitted(connection, api, emitter):
    before = rfc3339(datetime.now(timezone.utc))
    Outbox(connection).emit("contact.created", "org_1", {})
    connection.commit()
    relay(connection, emitter)
    assert before <= sent(api)[0]["timestamp"] <= rfc3339(datetime.now(timezone.utc))


def test_an_event_of_a_transaction_that_is_rolled_back_never_happened(connection, api, emitter):
    Outbox(connection).emit("contact.created", "org_1", JANE)
    connection.rollback()
    assert relay(connection, emitter) == Round()
    assert api.requests == []


def test_the_same_id_may_be_emitted_by_two_transactions(connection, api, emitter):
    emit(connection, 1)
    emit(connection, 1)
    assert relay(connection, emitter).accepted == 2
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


def test_the_table_may_have_another_name(connection, api, emitter):
    name = "my_outbox"
    create_table(connection, name)
    create_table(connection, name)
    Outbox(connection, name).emit("contact.created", "org_1", {})
    connection.commit()
    assert relay(connection, emitter, table=name).accepted == 1
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


def test_sqlalchemy_connections_and_sessions_are_taken(database, connection, api, emitter):
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
    assert relay(connection, emitter).accepted == 4
    assert [event["id"] for event in sent(api)] == ["connection", "session", "scoped", "raw"]
    assert all(event["data"] == JANE for event in sent(api))


def test_djangos_connection_is_taken_inside_atomic(api, emitter):
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
        assert relay(own, emitter).accepted == 1
    connection.close()
    assert [event["id"] for event in sent(api)] == ["django"]
    assert sent(api)[0]["data"] == JANE


# --- relaying -----------------------------------------------------------------------------------


def test_rows_are_sent_in_the_order_of_emission(connection, api, emitter):
    for number in range(30):
        emit(connection, number, organization=f"org_{number % 3}")
    assert relay(connection, emitter).accepted == 30
    assert [event["data"]["n"] for event in sent(api)] == list(range(30))
    assert len(api.requests) == 1


def test_a_batch_has_at_most_a_thousand_events_and_8_mib(connection, api, emitter):
    emit(connection, *range(1_001))
    assert relay(connection, emitter).accepted == 1_000
    assert relay(connection, emitter).accepted == 1
    outbox = Outbox(connection)
    for _ in range(40):
        outbox.emit("contact.created", "org_1", {"x": "y" * 250_000})
    connection.commit()
    assert relay(connection, emitter).accepted == 33
    assert relay(connection, emitter).accepted == 7
    assert len(api.requests) == 4


def test_what_is_refused_stays_with_its_reason_and_holds_nothing_up(connection, api, emitter):
    emit(connection, 1, 2, 3)
    one = {"id": "evt_1", "duplicate": False, "deliveries": 0}
    wrong = json.loads(problem(422, "Invalid input", "There is no such event.")[2])
    results = json.dumps({"results": [one, {"error": wrong}, one]}).encode()
    api.answers = [(202, {}, results)]
    assert relay(connection, emitter) == Round(accepted=2, refused=1)
    assert relay(connection, emitter) == Round()
    (row,) = list_refused(connection)
    assert (row.id, row.organization, row.event) == ("org_1-2", "org_1", "contact.created")
    assert row.refusal == "422 Invalid input: There is no such event."
    assert count_rows(connection)[:2] == (0, 1)
    assert retry_refused(connection, [row.sequence + 1]) == 0
    assert retry_refused(connection, []) == 0
    assert retry_refused(connection, [row.sequence]) == 1
    connection.commit()
    assert relay(connection, emitter) == Round(accepted=1)
    assert list_refused(connection) == []


def test_what_cannot_be_taken_now_is_sent_again_with_the_same_ids(connection, api, emitter):
    emit(connection, 1, 2)
    api.answers = [problem(503), problem(503, retry_after=60)]
    assert relay(connection, emitter) == Round(postponed=2)
    assert relay(connection, emitter) == Round(postponed=2)
    assert count_rows(connection).waiting == 2
    assert relay(connection, emitter) == Round(accepted=2)
    assert [event["id"] for event in sent(api)] == ["org_1-1", "org_1-2"] * 3


def test_a_wrong_key_refuses_no_row(connection, api, emitter):
    emit(connection, 1)
    api.answers = [problem(401, "No valid API key")]
    with pytest.raises(Refused, match="No valid API key"):
        relay(connection, emitter)
    assert count_rows(connection)[:2] == (1, 0)
    assert relay(connection, emitter).accepted == 1


def test_a_row_that_spoils_the_whole_call_is_found(connection, api, emitter):
    emit(connection, *range(10))

    def malformed(handler):
        events = api.requests[-1]
        if any(event["data"]["n"] == 6 for event in events):
            return problem(400, "Malformed request", "Not JSON.")
        return harness.accepted(events)

    api.answers = [malformed] * 100
    assert relay(connection, emitter) == Round(accepted=9, refused=1)
    assert [row.id for row in list_refused(connection)] == ["org_1-6"]


def test_a_row_that_somebody_else_wrote_wrong_is_refused(connection, api, emitter):
    connection.cursor().execute(
        "INSERT INTO winnerr_webhooks_outbox (id, organization, event, data, happened_at, size) "
        "VALUES ('x', 'org_1', 'contact.created', 'no JSON', '2025-01-15T14:23:00Z', 1)"
    )
    emit(connection, 1)
    assert relay(connection, emitter) == Round(accepted=1, refused=1)
    assert "no event" in list_refused(connection)[0].refusal


# --- two relays ---------------------------------------------------------------------------------


def test_while_one_relay_sends_another_leaves_its_organizations_alone(
    connection, other, api, emitter
):
    emit(connection, 1, 2)
    emit(connection, 3, organization="org_2")
    seen = []

    class Meanwhile:
        def submit(self, submissions):
            emit(other, 4)  # of a claimed organization
            emit(other, 5, organization="org_3")
            seen.append(relay(other, emitter))
            return [Accepted("evt", False, 0) for _ in submissions]

    assert relay(connection, Meanwhile()) == Round(accepted=3)
    assert seen == [Round(accepted=1)]
    assert [event["organizationId"] for event in sent(api)] == ["org_3"]
    assert relay(other, emitter) == Round(accepted=1)


def test_a_relay_that_died_is_followed_by_another_when_its_claim_ends(
    connection, other, api, emitter
):
    emit(connection, 1)

    clock = [1_000.0]

    class Dying:
        def submit(self, submissions):
            # What another relay sees while this one has stopped, before and after the claim ends.
            assert relay(other, emitter, now=lambda: clock[0] + 59) == Round()
            assert relay(other, emitter, now=lambda: clock[0] + 61) == Round(accepted=1)
            return [Accepted("evt", True, 0) for _ in submissions]

    assert relay(connection, Dying(), now=lambda: clock[0]) == Round(accepted=1)
    assert count_rows(connection).waiting == 0
    assert len(sent(api)) == 1


def test_a_relay_that_woke_too_late_gives_up_no_claim_of_another(connection, other, api, emitter):
    emit(connection, 1)
    rounds = []

    class Sleeping:
        def submit(self, submissions):
            class Other:
                def submit(self, same):
                    return [Unavailable("later", one.id) for one in same]

            rounds.append(relay(other, Other(), now=lambda: 2_000.0))
            return [Unavailable("later", one.id) for one in submissions]

    assert relay(connection, Sleeping(), now=lambda: 1_000.0) == Round(postponed=1)
    assert rounds == [Round(postponed=1)]
    assert relay(connection, emitter, now=lambda: 2_000.0) == Round(accepted=1)


def test_two_relays_at_once_move_all_in_order_and_accepted_once(database, service):
    """Emitters commit and roll back while two relays run against the real server."""
    stop, done = threading.Event(), []
    organizations = [f"org_relay_{type(database).__name__}_{n}" for n in range(3)]

    def emit_all(organization):
        with contextlib.closing(database.connect()) as connection:
            outbox = Outbox(connection)
            for number in range(60):
                outbox.emit(
                    "contact.created", organization, {"n": number}, f"{organization}-{number}"
                )
                connection.commit()
                outbox.emit(
                    "contact.created", organization, {"n": -1}, f"{organization}-no-{number}"
                )
                connection.rollback()
        done.append(organization)

    def run():
        with Emitter(service.url, service.key) as emitter:
            run_relay(database.connect, emitter, stop, poll_seconds=0.01)

    relays = [threading.Thread(target=run) for _ in range(2)]
    emitters = [threading.Thread(target=emit_all, args=(one,)) for one in organizations]
    for thread in relays + emitters:
        thread.start()
    for thread in emitters:
        thread.join()
    with contextlib.closing(database.connect()) as connection:
        while count_rows(connection).waiting:
            connection.rollback()
            stop.wait(0.01)
    stop.set()
    for thread in relays:
        thread.join()
    assert sorted(done) == organizations
    events = accepted_by(service, organizations)
    for organization in organizations:
        assert events[organization] == list(range(60))


def accepted_by(service, organizations):
    """The numbers of an organization's events, in the order the server accepted them."""
    with contextlib.closing(sqlite3.connect(str(service.folder / "service.db"))) as connection:
        rows = connection.execute("SELECT id, body FROM event ORDER BY id").fetchall()
    found = {organization: [] for organization in organizations}
    for _, body in rows:
        payload = json.loads(bytes(body) if not isinstance(body, str) else body)
        if payload["organizationId"] in found:
            found[payload["organizationId"]].append(payload["data"]["n"])
    return found


def test_the_relay_goes_on_after_the_database_and_the_api_were_away(database, api):
    stop, tries = threading.Event(), []

    def connect():
        tries.append(1)
        if len(tries) == 1:
            raise OSError("no database")
        return database.connect()

    api.answers = [problem(503), lambda handler: stop.set() or harness.accepted(api.requests[-1])]
    with contextlib.closing(database.connect()) as connection:
        emit(connection, 1)
        with Emitter(api.url, "key", retry_for=0) as emitter:
            run_relay(connect, emitter, stop, poll_seconds=0.01)
        assert len(tries) == 2
        assert count_rows(connection).waiting == 0


def test_the_relay_ends_when_the_key_is_refused(database, api):
    api.answers = [problem(401, "No valid API key")]
    with contextlib.closing(database.connect()) as connection:
        emit(connection, 1)
    with Emitter(api.url, "key") as emitter, pytest.raises(Refused):
        run_relay(database.connect, emitter, threading.Event(), poll_seconds=0.01)
