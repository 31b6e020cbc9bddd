"""Transactions on a real server: what is stored, what is repeated, and what is refused."""

import asyncio
from contextlib import suppress

import asyncpg
import pytest
from tests.unit.storage.postgres.numbers_table import PATIENCE, ask, ours, put, sees, stored, until

from winnerr_webhooks.domain.errors import (
    Poisoned,
    TimedOut,
    Unavailable,
    Uncertain,
)

pytestmark = pytest.mark.usefixtures("patient")


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
        return await sees(admin, ours("AND wait_event = 'PgSleep'"), 1)

    await until(is_under_way)
    if how == "cancelled":
        calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)
    assert calling.cancelled() or isinstance(calling.exception(), Unavailable)
    await until(lambda: sees(admin, ours("AND wait_event = 'PgSleep'"), 0))
