"""One transaction for whatever waits, and answers that belong to who asked."""

import asyncio
import threading

import pytest

from winnerr_webhooks.domain.errors import Conflict, Poisoned, Unavailable
from winnerr_webhooks.storage.sqlite import worker
from winnerr_webhooks.storage.sqlite.calls import Call
from winnerr_webhooks.storage.values import LogFilter


class Gate:
    """Holds the writer inside a transaction until what follows has queued up."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def verb(self, _db) -> None:
        self.entered.set()
        assert self.opened.wait(10)


async def _together(storage, *verbs):
    """Run verbs in one transaction: all are queued while the writer is held."""
    gate = Gate()
    held = asyncio.ensure_future(storage._threads.write(gate.verb))
    await asyncio.to_thread(gate.entered.wait, 10)
    calls = asyncio.gather(
        *(storage._threads.write(verb) for verb in verbs), return_exceptions=True
    )
    asyncio.get_running_loop().call_soon(gate.opened.set)  # after each of them has queued
    await held
    return await calls


def _put(name: str, hash_: bytes):
    return lambda db: db.run(
        "add_key",
        {
            "id": name,
            "name": name,
            "organization": None,
            "created_at": 1,
            "revoked_at": None,
            "hash": hash_,
        },
    )


async def test_what_waits_is_committed_together(storage) -> None:
    commits = []

    def count() -> bool:
        commits.append(1)
        return False

    await storage._threads.write(lambda db: db.apsw.set_commit_hook(count))
    assert await _together(storage, *(_put(name, name.encode()) for name in "abc")) == [1, 1, 1]
    assert len(commits) == 3  # of the hook's own transaction, of the held one, and theirs


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (["settle"], "accept create settle commit"),
        (["settle", "claim"], "accept create commit settle claim commit"),
        (["claim"], "accept create commit claim commit"),
    ],
)
async def test_what_is_urgent_goes_first_and_shares_its_commit_with_a_short_rest(
    storage, rest, expected
) -> None:
    gate, order = Gate(), []

    def note(name: str):
        def verb(db) -> None:
            db.run("probe", {"now": 1})
            order.append(name)

        return verb

    def committed() -> bool:
        order.append("commit")
        return False

    await storage._threads.write(lambda db: db.apsw.set_commit_hook(committed))
    held = asyncio.ensure_future(storage._threads.write(gate.verb))
    await asyncio.to_thread(gate.entered.wait, 10)
    calls = asyncio.gather(
        *(storage._threads.write_later(note(name), short=name == "settle") for name in rest),
        storage._threads.write(note("accept")),
        storage._threads.write(note("create")),
    )
    order.clear()
    asyncio.get_running_loop().call_soon(gate.opened.set)
    await asyncio.gather(held, calls)
    assert order == ["commit", *expected.split()]  # the first is of what held the writer


async def test_one_verb_of_the_rest_comes_between_two_that_are_urgent(storage) -> None:
    order: list[str] = []

    def urgent(_db) -> None:
        order.append("urgent")

    def of_the_rest(_db) -> None:
        order.append("rest")
        if len(order) < 10:  # what somebody waits for never ends: it is there after every verb
            storage._threads._writer.queue.put(Call(urgent, urgent=True))

    def begin(_db) -> None:
        for _ in range(4):
            storage._threads._writer.queue.put(Call(of_the_rest))
        storage._threads._writer.queue.put(Call(urgent, urgent=True))

    await storage._threads.write(begin)
    while len(order) < 8:  # the writer's thread tells nobody
        await storage._threads.write_later(lambda _db: None)
    assert order[:8] == ["urgent", "rest"] * 4


async def test_a_verb_that_fails_on_its_data_is_undone_alone(storage) -> None:
    first, twice, last = await _together(storage, _put("a", b"1"), _put("b", b"1"), _put("c", b"2"))
    assert (first, last) == (1, 1)
    assert isinstance(twice, Poisoned)
    assert [key.id for key in await storage.keys()] == ["a", "c"]


async def test_a_refusal_after_a_write_is_undone(storage) -> None:
    def refuse(db) -> None:
        _put("x", b"9")(db)
        raise Conflict("no")

    one, refused, two = await _together(storage, _put("a", b"1"), refuse, _put("c", b"2"))
    assert (one, two) == (1, 1)
    assert isinstance(refused, Conflict)
    assert [key.id for key in await storage.keys()] == ["a", "c"]


async def test_a_fault_of_the_program_is_its_callers_alone(storage) -> None:
    def wrong(db) -> None:
        db.apsw.execute("SELECT nonsense FROM nowhere")

    one, fault = await _together(storage, _put("a", b"1"), wrong)
    assert one == 1
    assert type(fault).__name__ == "SQLError"


async def test_a_caller_that_left_disturbs_no_other(storage) -> None:
    gate = Gate()
    held = asyncio.ensure_future(storage._threads.write(gate.verb))
    await asyncio.to_thread(gate.entered.wait, 10)
    held.cancel()
    kept = asyncio.ensure_future(storage._threads.write(_put("a", b"1")))
    gate.opened.set()
    assert await kept == 1
    assert held.cancelled()


async def test_too_much_waiting_is_refused_at_once(storage) -> None:
    gate = Gate()
    held = asyncio.ensure_future(storage._threads.write(gate.verb))
    await asyncio.to_thread(gate.entered.wait, 10)
    calls = [asyncio.ensure_future(storage._threads.write(lambda _db: 7)) for _ in range(4_200)]
    asyncio.get_running_loop().call_soon(gate.opened.set)
    await held
    answers = await asyncio.gather(*calls, return_exceptions=True)
    refused = [one for one in answers if isinstance(one, Unavailable)]
    assert len(refused) == 4_200 - 4_095
    assert answers.count(7) == 4_095


async def test_reads_that_wait_refuse_no_write(storage, new_event) -> None:
    gate = Gate()
    held = asyncio.ensure_future(storage._threads.read(gate.verb))
    await asyncio.to_thread(gate.entered.wait, 10)
    calls = [asyncio.ensure_future(storage._threads.read(lambda _db: 7)) for _ in range(4_100)]
    (accepted,) = await storage.accept([new_event()], None)
    assert accepted.deliveries == 0
    gate.opened.set()
    await held
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert answers.count(7) == 4_095


async def test_keys_of_strangers_are_looked_up_beside_the_road(storage) -> None:
    """Given a road's reader that is busy, an unknown key has its answer all the same."""
    gate = Gate()
    held = asyncio.ensure_future(storage._threads.read_for_road(gate.verb))
    await asyncio.to_thread(gate.entered.wait, 10)
    async with asyncio.timeout(60):
        assert await storage.key_by_hash(b"unknown", aside=True) is None
    gate.opened.set()
    await held


@pytest.mark.parametrize("kind", ["read", "search"])
async def test_what_takes_long_keeps_no_delivery_and_no_call_waiting(storage, kind) -> None:
    """Given a page that takes long, or a search: keys and webhooks are read all the same."""
    gate = Gate()
    held = asyncio.ensure_future(getattr(storage._threads, kind)(gate.verb))
    await asyncio.to_thread(gate.entered.wait, 10)
    async with asyncio.timeout(60):
        assert await storage.key_by_hash(b"unknown") is None
        assert await storage.targets(["wh_unknown"]) == []
        assert (await storage.changed_webhooks(0))[1] == []
        if kind == "read":
            assert await storage.repair() == 0
            assert await storage.run_retention_slice(30) == 0
        else:
            assert await storage.webhooks("org_1") == []
            assert (await storage.log(LogFilter(organization="org_1"))).items == []
    gate.opened.set()
    await held


async def test_a_question_whose_caller_went_away_is_not_looked_into(storage) -> None:
    gate, asked = Gate(), []
    held = asyncio.ensure_future(storage._threads.search(gate.verb))
    await asyncio.to_thread(gate.entered.wait, 10)
    gone = asyncio.ensure_future(storage._threads.search(asked.append))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    gate.opened.set()
    await held
    await storage._threads.search(lambda _db: None)
    assert asked == []


async def test_the_log_does_not_grow_without_end(storage, path, new_event) -> None:
    """Checkpoints keep up while writing goes on."""
    for _ in range(40):
        await storage.accept([new_event(body=b"x" * 20_000) for _ in range(50)], None)
    assert path.with_name(path.name + "-wal").stat().st_size < 64 << 20


async def test_searches_one_after_the_other_let_the_log_be_started_over(
    storage, new_event, monkeypatch
) -> None:
    """Given a log that has become long during a search.

    When the next search waits already, then it begins only once all is copied: what is written
    from then on is written from the log's start.
    """

    class Search(Gate):
        def verb(self, db) -> None:
            db.row("figures")  # from here on it sees this state
            super().verb(db)

    async def write(megabytes: int) -> None:
        for _ in range(megabytes):
            await storage.accept([new_event(body=b"x" * 20_000) for _ in range(50)], None)

    monkeypatch.setattr(worker, "_GIVE_WAY_SECONDS", 60.0)
    first, second = Search(), Search()
    searches = [asyncio.ensure_future(storage._threads.search(first.verb))]
    await asyncio.to_thread(first.entered.wait, 10)
    await write(50)
    searches.append(asyncio.ensure_future(storage._threads.search(second.verb)))
    first.opened.set()
    while not second.entered.is_set():
        await write(1)
    await write(2)
    assert storage._threads._writer.checkpointer.pages < 2_000
    second.opened.set()
    await asyncio.gather(*searches)


async def test_a_reader_may_checkpoint(storage, path, new_event) -> None:
    await storage.accept([new_event(body=b"x" * 9_000) for _ in range(50)], None)
    assert path.stat().st_size < 200_000

    def verb(db) -> None:
        db.rollback()
        db.checkpoint()

    await storage._threads.read(verb)
    assert path.stat().st_size > 400_000


async def test_what_a_reader_may_not_do_is_not_done(storage) -> None:
    with pytest.raises(Unavailable):
        await storage._threads.read(_put("a", b"1"))
