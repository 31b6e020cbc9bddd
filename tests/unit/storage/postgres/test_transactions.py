"""Transactions on a real server: what comes back, what is repeated, what connections are for."""

import asyncio
import itertools
import socket
import ssl
import time
from contextlib import suppress

import asyncpg
import pytest
import structlog
import trustme

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.domain.errors import (
    CannotStart,
    ConfigurationError,
    Poisoned,
    TimedOut,
    Unavailable,
    Uncertain,
)
from winnerr_webhooks.ids import Jitter
from winnerr_webhooks.storage.postgres import connection_opener, connection_pool
from winnerr_webhooks.storage.postgres import transactions as database_module
from winnerr_webhooks.storage.postgres.connection_opener import ConnectionOpener
from winnerr_webhooks.storage.postgres.connection_pool import FULL_SECONDS, ConnectionPool
from winnerr_webhooks.storage.postgres.transactions import Database

PATIENCE = 60.0


@pytest.fixture
async def admin(postgres_server, empty_postgres_url):
    """A connection that looks from outside, and has made a table of numbers."""
    async with postgres_server.admin(empty_postgres_url.rpartition("/")[2]) as connection:
        await connection.execute("CREATE TABLE public.t (n text PRIMARY KEY)")
        await connection.execute("GRANT ALL ON public.t TO webhooks")
        yield connection


@pytest.fixture
async def database(make_database, empty_postgres_url, admin) -> Database:
    return await make_database(empty_postgres_url)


def put(number: object):
    async def work(db):
        await db.connection.execute("INSERT INTO public.t VALUES ($1)", str(number))

    return work


def ask(sql: str, *values: object):
    async def work(db):
        return await db.connection.fetchval(sql, *values)

    return work


async def stored(admin) -> set[str]:
    return {row[0] for row in await admin.fetch("SELECT n FROM public.t")}


@pytest.fixture(autouse=True)
def patient(monkeypatch) -> None:
    """A database that a busy machine keeps waiting is not away: nothing here is about that."""
    monkeypatch.setattr(connection_opener, "CONNECT_SECONDS", PATIENCE)
    monkeypatch.setattr(database_module, "PROBE_AFTER", PATIENCE)
    monkeypatch.setattr(database_module, "ROLLBACK_SECONDS", PATIENCE)


async def until(true) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await true():
            pass


def ours(more: str = "") -> str:
    return (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        f" AND application_name = 'winnerr-webhooks' {more}"
    )


# --- transactions ---------------------------------------------------------------------------------


async def test_what_was_answered_is_committed_and_what_failed_is_not(database, admin) -> None:
    await database.transact(put(1))
    await database.autocommit(put(2))

    async def fails(db):
        await put(3)(db)
        raise LookupError

    with pytest.raises(LookupError):
        await database.transact(fails)
    assert await stored(admin) == {"1", "2"}
    assert await admin.fetchval(ours("AND state LIKE 'idle in%'")) == 0


@pytest.mark.parametrize("verb", ["transact", "autocommit"])
async def test_the_time_of_a_connection_in_use_counts_as_work_of_the_server(database, verb) -> None:
    """Also that of work that fails; waiting for a connection does not count."""

    async def works(db):
        await db.connection.execute("SELECT pg_sleep(0.02)")
        raise LookupError

    before = database.busy_seconds
    for _ in range(2):
        with pytest.raises(LookupError):
            await getattr(database, verb)(works)
    assert database.busy_seconds - before >= 0.04


async def test_a_transaction_that_passes_over_a_failure_is_no_success(database, admin) -> None:
    """PostgreSQL answers its COMMIT with ROLLBACK, and with no error."""

    async def carefree(db):
        await put(1)(db)
        with suppress(asyncpg.PostgresError):
            await db.connection.execute("SELECT 1 / 0")

    with pytest.raises(RuntimeError, match="had failed"):
        await database.transact(carefree)
    assert await stored(admin) == set()
    await database.transact(put(2))


async def test_a_deadlock_is_repeated_until_both_are_done(database, admin) -> None:
    await admin.execute("INSERT INTO public.t VALUES ('a'), ('b')")
    await admin.execute("CREATE TABLE public.done (who text)")
    await admin.execute("GRANT ALL ON public.done TO webhooks")
    waits = "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0;"
    both_hold_one = asyncio.Barrier(2)
    runs = 0

    def lock(first: str, second: str):
        meeting = True

        async def work(db):
            nonlocal meeting, runs
            runs += 1
            lock_row = "SELECT 1 FROM public.t WHERE n = $1 FOR UPDATE"
            await db.connection.execute(lock_row, first)
            if meeting:
                meeting = False
                await both_hold_one.wait()
            await db.connection.execute(lock_row, second)
            await db.connection.execute("INSERT INTO public.done VALUES ($1)", first)

        return work

    await asyncio.gather(
        database.transact(lock("a", "b"), seconds=PATIENCE, settings=waits),
        database.transact(lock("b", "a"), seconds=PATIENCE, settings=waits),
    )
    assert runs == 3
    assert await admin.fetchval("SELECT count(*) FROM public.done") == 2


async def test_an_upgrade_under_prepared_statements_goes_unnoticed(database, admin) -> None:
    async def everything(db):
        return list((await db.connection.fetch("SELECT * FROM public.t"))[0].keys())

    await admin.execute("INSERT INTO public.t VALUES ('a')")
    assert await database.transact(everything) == ["n"]
    assert await database.autocommit(everything) == ["n"]
    await admin.execute("ALTER TABLE public.t ADD COLUMN more integer")
    assert await database.transact(everything) == ["n", "more"]
    assert await database.autocommit(everything) == ["n", "more"]


async def test_a_session_plans_for_a_queue_and_keeps_no_locks(database) -> None:
    for run in (database.transact, database.autocommit):
        assert await run(ask("SHOW plan_cache_mode")) == "force_generic_plan"
        assert await run(ask("SHOW idle_in_transaction_session_timeout")) == "5s"
        assert await run(ask("SHOW search_path")) == "winnerr_webhooks, pg_catalog"


async def test_a_commit_waits_for_the_disk_whatever_the_role_is_set_to(
    make_database, postgres_server, admin
) -> None:
    name = await admin.fetchval("SELECT current_database()")
    await admin.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    database = await make_database(postgres_server.url(name))
    assert await database.autocommit(ask("SHOW synchronous_commit")) == "on"


async def test_a_reload_of_the_servers_settings_does_not_turn_waiting_for_the_disk_off(
    database,
) -> None:
    """A reload changes what no session has set for itself."""
    source = "SELECT source FROM pg_settings WHERE name = 'synchronous_commit'"
    assert await database.transact(ask(source)) == "session"


async def test_what_the_operator_asks_of_standbys_stays(
    make_database, postgres_server, admin
) -> None:
    name = await admin.fetchval("SELECT current_database()")
    await admin.execute(f"ALTER DATABASE {name} SET synchronous_commit = remote_write")
    database = await make_database(postgres_server.url(name))
    assert await database.autocommit(ask("SHOW synchronous_commit")) == "remote_write"


async def test_settings_of_one_transaction_end_with_it(make_database, empty_postgres_url) -> None:
    database = await make_database(empty_postgres_url, connections=1)
    settings = "SET LOCAL statement_timeout = '7s';"
    timeout = ask("SHOW statement_timeout")
    assert await database.transact(timeout, settings=settings) == "7s"
    assert await database.transact(timeout) == "1700ms"


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("INSERT INTO public.t VALUES ($1)", "a\0b"),
        ("INSERT INTO public.t VALUES ($1)", "\ud800"),
        ("INSERT INTO public.t VALUES ($1)", 7),
        ("SELECT $1::integer", "the deal was closed"),
        ("SELECT $1::jsonb", "{"),
        ("INSERT INTO public.t SELECT $1 FROM generate_series(1, 2)", "twice"),
        ("INSERT INTO public.t SELECT string_agg(md5($1 || i), '') FROM generate_series(1, 999) i",
         "more than an index entry holds"),
    ],
)  # fmt: skip
async def test_what_cannot_be_stored_is_poisoned_and_not_repeated_to_anybody(
    database, sql, value
) -> None:
    pid = await database.autocommit(ask("SELECT pg_backend_pid()"))
    for run in (database.transact, database.autocommit):
        with pytest.raises(Poisoned) as caught:
            await run(ask(sql, value))
        assert str(value) not in str(caught.value)
    assert await database.autocommit(ask("SELECT pg_backend_pid()")) == pid, "nothing was lost"


async def test_a_full_disk_is_reported_and_passes(database, admin) -> None:
    await admin.execute("""
        CREATE FUNCTION public.disk_full() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'could not extend file' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER disk_full BEFORE INSERT ON public.t
            FOR EACH ROW EXECUTE FUNCTION public.disk_full()
    """)
    for run in (database.transact, database.autocommit):
        with pytest.raises(Unavailable, match="disk is full") as caught:
            await run(put(1))
        assert not isinstance(caught.value, Uncertain)
        assert caught.value.retry_after > 0
    await admin.execute("DROP TRIGGER disk_full ON public.t")
    await database.transact(put(2))
    assert await stored(admin) == {"2"}


async def test_a_statement_that_takes_too_long_is_ended_by_the_server(database, admin) -> None:
    settings = "SET LOCAL statement_timeout = '20ms';"
    pid = await database.autocommit(ask("SELECT pg_backend_pid()"))
    with pytest.raises(TimedOut, match="in time"):
        await database.transact(ask("SELECT 1 FROM pg_sleep(60)"), settings=settings)
    assert await database.autocommit(ask("SELECT pg_backend_pid()")) == pid


@pytest.mark.parametrize("way", ["transact", "autocommit"])
async def test_a_statement_that_outlives_its_time_is_not_a_database_that_is_away(
    database, way
) -> None:
    """Ours is over before the server's: it answers all others, so only this work was too much."""
    run = getattr(database, way)
    with pytest.raises(Unavailable) as caught:
        await run(ask("SELECT 1 FROM pg_sleep(60)"), seconds=0.05)
    if way == "transact":
        assert type(caught.value) is TimedOut
    else:  # a statement by itself commits where it ends
        assert caught.value.late
    assert not database.lost
    assert await database.transact(ask("SELECT 1")) == 1


async def test_work_that_gets_no_connection_in_time_does_not_say_the_database_is_away(
    make_database, empty_postgres_url
) -> None:
    """Given one connection that is at work, when another piece of work has waited its time."""
    database = await make_database(empty_postgres_url, connections=1)
    began, ends = asyncio.Event(), asyncio.Event()

    async def hold(db):
        await db.connection.fetchval("SELECT 1")
        began.set()
        await ends.wait()

    holding = asyncio.create_task(database.transact(hold, seconds=PATIENCE))
    await began.wait()
    for run in (database.transact, database.autocommit):
        with pytest.raises(TimedOut):
            await run(ask("SELECT 1"), seconds=0.05)
    ends.set()
    await holding
    assert not database.lost


async def test_rows_that_others_keep_locked_are_not_waited_for_long(database, admin) -> None:
    await admin.execute("INSERT INTO public.t VALUES ('a')")
    async with admin.transaction():
        await admin.execute("SELECT 1 FROM public.t FOR UPDATE")
        with pytest.raises(TimedOut, match="locked"):
            await database.transact(
                ask("UPDATE public.t SET n = 'b' RETURNING n"), seconds=PATIENCE
            )
    assert await database.transact(ask("UPDATE public.t SET n = 'b' RETURNING n")) == "b"


async def test_a_fault_of_the_program_stays_one(database) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        await database.transact(ask("SELECT 1 FROM no_such_table"))
    with pytest.raises(asyncpg.InterfaceError, match="expects 1 argument"):
        await database.autocommit(ask("SELECT $1::text"))


@pytest.mark.parametrize("how", ["in time", "cancelled"])
async def test_a_statement_without_a_caller_is_ended_on_the_server(database, admin, how) -> None:
    def call() -> asyncio.Task[object]:
        endless = database.transact(
            ask("SELECT 1 FROM pg_sleep(3600)"),
            settings="SET LOCAL statement_timeout = 0;",
            seconds=0.2 if how == "in time" else 3600,
        )
        return asyncio.create_task(endless)

    calling = call()

    async def is_under_way() -> bool:
        nonlocal calling
        if calling.done():  # it was over before anybody could look
            await asyncio.gather(calling, return_exceptions=True)
            calling = call()
        return await _is(admin, ours("AND wait_event = 'PgSleep'"), 1)

    await until(is_under_way)
    if how == "cancelled":
        calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)
    assert calling.cancelled() or isinstance(calling.exception(), Unavailable)
    await until(lambda: _is(admin, ours("AND wait_event = 'PgSleep'"), 0))


# --- starting -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        ({"password": "not it"}, ConfigurationError, "password authentication failed"),
        ({"user": "nobody_here"}, ConfigurationError, "password authentication failed"),
        ({"database": "no_such_database"}, ConfigurationError, "does not exist"),
        ({"host": "no-such-host.invalid"}, CannotStart, "its host's name cannot be looked up"),
        ({"host": f"{'x' * 70}.example"}, ConfigurationError, "cannot be"),
        ({"port": "1"}, CannotStart, "refused|Connect call failed"),
        ({"query": "?sslmode=require"}, CannotStart, "SSL"),
        ({"query": "?sslmode=perhaps"}, ConfigurationError, "its URL cannot be read"),
    ],
)
async def test_what_keeps_it_from_starting_is_said_without_the_password(
    empty_postgres_url, change, kind, says
) -> None:
    _, _, rest = empty_postgres_url.partition("://webhooks:")
    secret, _, place = rest.partition("@")
    port = place.partition(":")[2].partition("/")[0]
    parts = {
        "user": "webhooks", "password": secret, "host": "127.0.0.1", "port": port,
        "database": place.rpartition("/")[2], "query": "",
    } | change  # fmt: skip
    url = "postgresql://{user}:{password}@{host}:{port}/{database}{query}".format(**parts)
    database = Database(url, clock=SystemClock(), jitter=Jitter(0), connections=2)
    with pytest.raises(kind, match=f"DATABASE_URL: .*({says})") as caught:
        await database.start()
    assert parts["password"] not in str(caught.value)
    await database.close()


async def test_a_standby_is_no_place_to_start(make_database, postgres_server, admin) -> None:
    name = await admin.fetchval("SELECT current_database()")
    await admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(CannotStart, match="standby that only reads"):
        await make_database(postgres_server.url(name))
    host = postgres_server.url(name).replace("@127.0.0.1", "@127.0.0.1:1,127.0.0.1")
    with pytest.raises(CannotStart, match=r"127\.0\.0\.1:1: .*Connect call failed.*; .*only reads"):
        await make_database(host)


async def test_a_server_whose_connections_are_in_use_is_waited_for_and_named(
    postgres_server, admin
) -> None:
    name = await admin.fetchval("SELECT current_database()")
    await admin.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 0")
    url = postgres_server.url(name).replace("@127.0.0.1", "@127.0.0.1:1,127.0.0.1")
    database = Database(url, clock=SystemClock(), jitter=Jitter(0), connections=2)
    with structlog.testing.capture_logs() as lines:
        starting = asyncio.create_task(database.start())
        while not (lines or starting.done()):
            await admin.fetchval("SELECT 1")  # time for the start to go on
        await admin.execute(f"ALTER DATABASE {name} CONNECTION LIMIT -1")
        await starting
    (line,) = lines
    assert line["event"] == "the start waits for the database"
    assert f"127.0.0.1:{postgres_server.port}: too many connections" in line["reason"]
    await database.close()


async def test_a_certificate_that_is_not_trusted_is_a_wrong_setting_and_said(tmp_path) -> None:
    ours, others = trustme.CA(), trustme.CA()
    others.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.issue_cert("localhost").configure_cert(tls)

    async def answer(reader, writer):
        await reader.readexactly(8)  # SSLRequest (PostgreSQL's manual, 53.2.10)
        writer.write(b"S")
        with suppress(OSError):
            await writer.start_tls(tls)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = (
            f"postgresql://u:p@localhost:{port}/w?sslmode=verify-full&sslrootcert={tmp_path}/ca.pem"
        )
        database = Database(url, clock=SystemClock(), jitter=Jitter(0), connections=2)
        with pytest.raises(ConfigurationError, match="its certificate is not trusted"):
            await database.start()
        await database.close()


async def test_of_several_hosts_the_one_that_writes_is_taken(
    make_database, postgres_server, admin
) -> None:
    name = await admin.fetchval("SELECT current_database()")
    url = postgres_server.url(name).replace("@127.0.0.1", "@127.0.0.1:1,127.0.0.1")
    await (await make_database(url)).transact(put(1))
    assert await stored(admin) == {"1"}


async def test_a_host_whose_machine_is_gone_does_not_keep_the_others_from_being_asked(
    make_database, postgres_server, admin, monkeypatch
) -> None:
    """It answers nothing, not even no; and once found, the other one is asked first."""
    monkeypatch.setattr(connection_opener, "CONNECT_SECONDS", 4.0)
    name = await admin.fetchval("SELECT current_database()")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        gone = f"@127.0.0.1:{silent.getsockname()[1]},127.0.0.1"
        url = postgres_server.url(name).replace("@127.0.0.1", gone)
        database = await make_database(url)
        monkeypatch.setattr(connection_opener, "CONNECT_SECONDS", PATIENCE)
        await asyncio.gather(*(database.transact(put(n)) for n in range(20)))
    assert len(await stored(admin)) == 20


# --- few connections ------------------------------------------------------------------------------


async def test_more_work_than_connections_takes_turns(database, admin) -> None:
    await asyncio.gather(*(database.transact(put(n), seconds=PATIENCE) for n in range(200)))
    assert len(await stored(admin)) == 200
    assert await admin.fetchval(ours()) == 4


async def test_a_node_makes_do_with_the_connections_it_is_given(
    make_database, postgres_server, admin
) -> None:
    name = await admin.fetchval("SELECT current_database()")
    await admin.execute(f"""
        CREATE ROLE "few {name}" LOGIN PASSWORD 'secret' CONNECTION LIMIT 2;
        GRANT ALL ON public.t TO "few {name}" """)
    try:
        url = postgres_server.url(name, user=f"few%20{name}", password="secret")
        began = time.monotonic()
        database = await make_database(url, connections=6)
        numbers = itertools.count()

        async def has_both() -> bool:
            # PostgreSQL counts those that connect in the same moment, too: it may refuse them all.
            works = [database.transact(put(next(numbers)), seconds=PATIENCE) for _ in range(300)]
            await asyncio.gather(*works)
            return await admin.fetchval(ours()) == 2

        await until(has_both)
        assert len(await stored(admin)) == next(numbers)
        refused = postgres_server.log.count(f'too many connections for role "few {name}"')
        seconds = time.monotonic() - began
        assert 1 <= refused <= 5 * (1 + seconds / FULL_SECONDS), "it asks now and then"
        await database.close()
    finally:
        await admin.execute(f'DROP OWNED BY "few {name}"; DROP ROLE "few {name}"')


async def test_a_probe_that_fails_when_the_database_is_back_does_not_mark_it_lost_again(
    empty_postgres_url,
) -> None:
    """A probe whose own connection was swallowed does not harm what began after the loss."""

    class Swallows(ConnectionOpener):
        looks = False

        async def open(self):
            if self.looks:
                self.looks = False
                await asyncio.Event().wait()
            return await super().open()

    opener = Swallows(empty_postgres_url)
    pool = ConnectionPool(opener, clock=SystemClock(), jitter=Jitter(0), limit=2)
    await pool.start()
    opener.looks = True
    pool.probe_soon()
    while opener.looks:
        await asyncio.sleep(0)
    pool.mark_lost(ConnectionResetError("the old one broke"))
    held = await pool.acquire(1)
    await pool._tasks["probe"]
    assert await held.fetchval("SELECT 7") == 7
    pool.release(held, reusable=True)
    assert pool.reconnected_at > 0
    await pool.close()


async def test_a_probe_that_fails_while_other_work_is_answered_marks_nothing_lost(
    empty_postgres_url,
) -> None:
    """A machine so busy that no new connection comes in time is not a database that is away."""

    class Late(ConnectionOpener):
        looks = False

        async def open(self):
            if self.looks:
                self.lent = await pool.acquire(1)
                pool.release(self.lent, reusable=True)  # somebody's work has been done meanwhile
                raise TimeoutError
            return await super().open()

    opener = Late(empty_postgres_url)
    pool = ConnectionPool(opener, clock=SystemClock(), jitter=Jitter(0), limit=2)
    await pool.start()
    opener.looks = True
    pool.probe_soon()
    await pool._tasks["probe"]
    assert not pool.lost
    opener.looks = False
    await pool.close()


async def test_a_turn_that_comes_when_its_caller_has_just_left_goes_to_the_next(
    empty_postgres_url,
) -> None:
    pool = ConnectionPool(
        ConnectionOpener(empty_postgres_url), clock=SystemClock(), jitter=Jitter(0), limit=1
    )
    await pool.start()
    held = await pool.acquire(1)
    first, second = (asyncio.create_task(pool.acquire(1)) for _ in range(2))
    while len(pool._waiters) < 2:
        await asyncio.sleep(0)
    pool.release(held, reusable=True)
    first.cancel()  # after its turn was given to it, before it could see that
    taken = await asyncio.wait_for(second, PATIENCE)
    assert taken is held
    pool.release(taken, reusable=True)
    await pool.close()


async def test_callers_that_leave_the_queue_leave_nothing_behind(empty_postgres_url) -> None:
    pool = ConnectionPool(
        ConnectionOpener(empty_postgres_url), clock=SystemClock(), jitter=Jitter(0), limit=1
    )
    await pool.start()
    held = await pool.acquire(1)
    waiting = [asyncio.create_task(pool.acquire(1)) for _ in range(50)]
    while len(pool._waiters) < 50:
        await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert not pool._waiters
    pool.release(held, reusable=True)
    await pool.close()


@pytest.mark.thorough
async def test_a_storm_of_failures_and_cancellations_leaks_no_connection(database, admin) -> None:
    async def one(number: int) -> None:
        works = [
            put(number),
            ask("SELECT 1 / 0"),
            ask("SELECT 1 FROM pg_sleep(60)"),
            ask("SELECT pg_terminate_backend(pg_backend_pid())"),
        ]
        run = (database.transact, database.autocommit)[number % 2]
        task = asyncio.create_task(run(works[number % 4], seconds=0.5 + number % 3))
        for _ in range(number % 7):
            await asyncio.sleep(0)
        if number % 5 == 0:
            task.cancel()
        with suppress(Unavailable, Poisoned, asyncio.CancelledError):
            await task

    await asyncio.gather(*(one(number) for number in range(300)))

    async def works_again() -> bool:
        with suppress(Unavailable):
            await database.transact(put("after"))
            return True
        return False

    await until(works_again)
    # What was let go of in the middle of a statement ends when the server notices.
    await until(lambda: _is(admin, ours("AND state <> 'idle'"), 0))
    assert database._pool._open <= 4
    await until(lambda: _is(admin, ours(), database._pool._open))
    assert not database._pool._lent
    await database.close()
    await until(lambda: _is(admin, ours(), 0))


async def _is(admin, sql: str, count: int) -> bool:
    return await admin.fetchval(sql) == count


# --- closing --------------------------------------------------------------------------------------


async def test_closing_finishes_what_was_handed_in_and_takes_nothing_more(database, admin) -> None:
    calls = [database.transact(put(n)) for n in range(40)]
    await asyncio.gather(*calls, database.close())
    assert len(await stored(admin)) == 40
    with pytest.raises(Unavailable, match="closed"):
        await database.transact(put("late"))
    await database.close()
    await until(lambda: _is(admin, ours(), 0))


async def test_closing_does_not_wait_for_ever(database, admin, monkeypatch) -> None:
    monkeypatch.setattr(connection_pool, "FINISH_SECONDS", 0.05)
    begun = asyncio.Event()

    async def endless(db):
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(database.transact(endless, seconds=1e6))
    await begun.wait()
    await database.close()
    await until(lambda: _is(admin, ours(), 0))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
