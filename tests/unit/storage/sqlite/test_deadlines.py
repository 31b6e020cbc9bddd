"""Every verb has a deadline: an honest error in time, whatever the database is at."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests import program
from tests.unit.storage.sqlite.test_threads import Gate, _put, _together

from winnerr_webhooks.domain.errors import TimedOut, Unavailable, Uncertain
from winnerr_webhooks.storage.sqlite import threads, worker
from winnerr_webhooks.storage.sqlite.calls import TimeLimit


@pytest.fixture(autouse=True)
def patient(monkeypatch) -> None:
    """Other tests have no deadlines; these are about them."""
    monkeypatch.setattr(threads, "TICK", 0.1)


SOON = TimeLimit(begin=60.0, work=0.2)
LOCKER = """
import sys
import apsw

connection = apsw.Connection(sys.argv[1])
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@asynccontextmanager
async def locked(path: Path) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Another process holds the file's write lock; what ends it early."""
    process = await program.start(
        sys.executable,
        "-c",
        LOCKER,
        str(path),
        stdin=program.PIPE,
        stdout=program.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readline()

    async def unlock() -> None:
        process.stdin.close()
        await process.wait()

    yield unlock
    await unlock()


def endless(db) -> None:
    db.apsw.execute(
        "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    ).fetchall()


async def keys(storage) -> list[str]:
    return [key.id for key in await storage.keys()]


async def test_a_database_locked_by_another_process_is_an_error_within_two_seconds(
    storage, path, new_event
) -> None:
    loop = asyncio.get_running_loop()
    async with locked(path) as unlock:
        began = loop.time()
        answers = await asyncio.gather(
            storage.accept([new_event()], None),
            storage._threads.write(_put("a", b"1")),
            return_exceptions=True,
        )
        assert loop.time() - began < 4.0
        for answer in answers:
            assert type(answer) is Unavailable
            assert "locked by another process" in answer.detail
        await unlock()
        assert (await storage.accept([new_event()], None))[0].deliveries == 0
    assert await keys(storage) == []


async def test_a_lock_that_ends_in_time_fails_no_call(storage, path) -> None:
    async with locked(path) as unlock:
        asked = asyncio.ensure_future(storage._threads.write(_put("a", b"1")))
        await storage.keys()  # the writer's thread is at it by now
        await unlock()
        assert await asked == 1


async def test_closing_a_locked_database_ends_in_time(storage, path) -> None:
    async with locked(path):
        asked = asyncio.ensure_future(storage._threads.write_later(_put("a", b"1")))
        await storage.keys()
        async with asyncio.timeout(4.5):
            await storage.close()
        with pytest.raises(Unavailable):
            await asked


async def test_a_verb_that_did_not_begin_in_time_is_never_run(storage) -> None:
    gate = Gate()
    held = asyncio.ensure_future(storage._threads.write(gate.verb))
    await asyncio.to_thread(gate.entered.wait, 10)
    with pytest.raises(Unavailable, match="too much to do") as late:
        await storage._threads.write(_put("a", b"1"), TimeLimit(begin=0.0, work=60.0))
    assert type(late.value) is Unavailable
    gate.opened.set()
    await held
    await storage._threads.write(_put("b", b"2"))
    assert await keys(storage) == ["b"]


@pytest.mark.parametrize("kind", ["write", "write_later", "read", "search"])
async def test_a_verb_that_runs_too_long_is_interrupted(storage, kind) -> None:
    with pytest.raises(TimedOut):
        await getattr(storage._threads, kind)(endless, SOON)
    assert await getattr(storage._threads, kind)(lambda _db: 7) == 7


async def test_an_interrupted_verb_fails_no_other_in_its_transaction(storage) -> None:
    def long(db) -> None:
        _put("long", b"9")(db)
        endless(db)

    gate = Gate()
    held = asyncio.ensure_future(storage._threads.write(gate.verb))
    await asyncio.to_thread(gate.entered.wait, 10)
    calls = asyncio.gather(
        storage._threads.write(_put("a", b"1")),
        storage._threads.write(long, SOON),
        storage._threads.write(_put("b", b"2")),
        storage._threads.write(long, SOON),
        storage._threads.write(_put("c", b"3")),
        return_exceptions=True,
    )
    asyncio.get_running_loop().call_soon(gate.opened.set)
    await held
    answers = await calls
    assert [answers[at] for at in (0, 2, 4)] == [1, 1, 1]
    assert [type(answers[at]) for at in (1, 3)] == [TimedOut, TimedOut]
    assert await keys(storage) == ["a", "b", "c"]


async def test_what_a_hanging_thread_was_at_is_undone_and_its_caller_has_an_answer(
    storage, monkeypatch
) -> None:
    """Given a thread that no interrupt reaches, then its late success is rolled back."""
    monkeypatch.setattr(worker, "STUCK_SECONDS", 0.1)
    gate = Gate()

    def hang(db) -> None:
        _put("a", b"1")(db)
        gate.verb(db)

    with pytest.raises(Unavailable, match="disk does not answer"):
        await storage._threads.write(hang, SOON)
    assert not storage._threads._writer.waiting
    gate.opened.set()
    assert await storage._threads.write(_put("b", b"2")) == 1
    assert await keys(storage) == ["b"]


async def test_a_commit_that_hangs_is_never_answered_with_nothing_was_done(
    storage, monkeypatch
) -> None:
    monkeypatch.setattr(worker, "COMMIT_SECONDS", 0.1)
    gate = Gate()

    def hang() -> bool:
        gate.verb(None)
        return False

    def hanging(db) -> None:
        _put("a", b"1")(db)
        db.apsw.set_commit_hook(hang)

    with pytest.raises(Uncertain):
        await storage._threads.write(hanging)
    gate.opened.set()
    assert await storage._threads.write(_put("b", b"2")) == 1
    assert await keys(storage) == ["a", "b"]


async def test_closing_leaves_a_hanging_thread_behind(storage, monkeypatch, capsys) -> None:
    monkeypatch.setattr(threads, "END_SECONDS", 0.1)
    gate = Gate()
    held = asyncio.ensure_future(storage._threads.read(gate.verb))
    await asyncio.to_thread(gate.entered.wait, 10)
    await storage.close()
    assert "a thread of the database does not end" in capsys.readouterr().out
    gate.opened.set()
    await held


async def test_a_database_at_rest_has_no_timer(storage, monkeypatch) -> None:
    monkeypatch.setattr(threads, "TICK", 0.0)
    await storage._threads.write(lambda _db: None)
    while storage._threads._tick is not None:
        await asyncio.sleep(0)
    assert await _together(storage, _put("a", b"1")) == [1]
