"""The connections of a node: few are enough, none is lost, and closing ends them all."""

import asyncio
import itertools
import time
from contextlib import suppress

import pytest
from tests.unit.storage.postgres.numbers_table import PATIENCE, ask, ours, put, sees, stored, until

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.domain.errors import (
    Poisoned,
    Unavailable,
)
from winnerr_webhooks.ids import Jitter
from winnerr_webhooks.storage.postgres import connection_pool
from winnerr_webhooks.storage.postgres.connection_opener import ConnectionOpener
from winnerr_webhooks.storage.postgres.connection_pool import FULL_SECONDS, ConnectionPool

pytestmark = pytest.mark.usefixtures("patient")


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
    await until(lambda: sees(admin, ours("AND state <> 'idle'"), 0))
    assert database._pool._open <= 4
    await until(lambda: sees(admin, ours(), database._pool._open))
    assert not database._pool._lent
    await database.close()
    await until(lambda: sees(admin, ours(), 0))


# --- closing --------------------------------------------------------------------------------------


async def test_closing_finishes_what_was_handed_in_and_takes_nothing_more(database, admin) -> None:
    calls = [database.transact(put(n)) for n in range(40)]
    await asyncio.gather(*calls, database.close())
    assert len(await stored(admin)) == 40
    with pytest.raises(Unavailable, match="closed"):
        await database.transact(put("late"))
    await database.close()
    await until(lambda: sees(admin, ours(), 0))


async def test_closing_does_not_wait_for_ever(database, admin, monkeypatch) -> None:
    monkeypatch.setattr(connection_pool, "FINISH_SECONDS", 0.05)
    begun = asyncio.Event()

    async def endless(db):
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(database.transact(endless, seconds=1e6))
    await begun.wait()
    await database.close()
    await until(lambda: sees(admin, ours(), 0))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
