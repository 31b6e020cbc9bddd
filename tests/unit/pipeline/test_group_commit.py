"""Group commit: at once when idle, together when busy, and a culprit fails alone."""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import pytest

from winnerr_webhooks.domain.errors import Poisoned, TimedOut, Unavailable
from winnerr_webhooks.pipeline.batcher import Fifo
from winnerr_webhooks.pipeline.group_commit import Entry, GroupCommit, JoinableBatch, resolve_future


class Commits:
    """Records each batch; holds a commit open until the test lets it go."""

    def __init__(self) -> None:
        self.batches: list[list[object]] = []
        self.began = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, batch: list[object], _joiners: object) -> list[str]:
        self.batches.append(batch)
        self.began.set()
        await self.go.wait()
        if "poison" in batch:
            raise Poisoned("no")
        if "fault" in batch:
            raise KeyError("a fault of ours")
        if "gone" in batch:
            raise Unavailable("away")
        return [f"done {item}" for item in batch]


def submit(group: GroupCommit[Any, Any], item: object) -> asyncio.Future[Any]:
    """Put an item into the next batch, and return a future for its answer."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    group.put((item, partial(resolve_future, future)))
    return future


async def test_a_lone_item_is_committed_at_once() -> None:
    commits = Commits()
    assert await submit(GroupCommit(commits, Fifo(10)), "a") == "done a"
    assert commits.batches == [["a"]]


async def test_what_arrives_during_a_commit_shares_the_next_one() -> None:
    commits = Commits()
    group = GroupCommit(commits, Fifo(10))
    commits.go.clear()
    first = submit(group, "a")
    await commits.began.wait()
    rest = [submit(group, item) for item in "bcd"]
    commits.go.set()
    assert await asyncio.gather(first, *rest) == ["done a", "done b", "done c", "done d"]
    assert commits.batches == [["a"], ["b", "c", "d"]]


async def test_a_batch_is_never_larger_than_its_bound() -> None:
    commits = Commits()
    group = GroupCommit(commits, Fifo(4))
    await asyncio.gather(*[submit(group, n) for n in range(10)])
    assert [len(batch) for batch in commits.batches] == [4, 4, 2]


@pytest.mark.parametrize(("culprit", "error"), [("poison", Poisoned), ("fault", KeyError)])
async def test_no_other_item_fails_because_of_a_culprit(culprit, error) -> None:
    commits = Commits()
    group = GroupCommit(commits, Fifo(100))
    answers = await asyncio.gather(
        *[submit(group, item) for item in ("a", "b", culprit, "c", "d")], return_exceptions=True
    )
    assert [a for a in answers if isinstance(a, str)] == ["done a", "done b", "done c", "done d"]
    assert isinstance(answers[2], error)


async def test_every_item_of_a_batch_is_answered_that_the_database_is_away() -> None:
    group = GroupCommit(Commits(), Fifo(100))
    answers = await asyncio.gather(
        submit(group, "a"), submit(group, "gone"), return_exceptions=True
    )
    assert [type(a) for a in answers] == [Unavailable, Unavailable]
    assert await submit(group, "b") == "done b"
    assert len(group._commit.batches) == 2


async def test_a_caller_that_went_away_does_not_stop_the_others() -> None:
    commits = Commits()
    group = GroupCommit(commits, Fifo(10))
    gone, stays = submit(group, "a"), submit(group, "b")
    gone.cancel()
    assert await stays == "done b"


async def test_idle_returns_when_everything_is_committed() -> None:
    commits = Commits()
    group = GroupCommit(commits, Fifo(1))
    futures = [submit(group, item) for item in "abc"]
    await group.idle()
    assert all(future.done() for future in futures)
    assert not group._queue


class Turns(Commits):
    """Commits that wait for their turn, and let items that arrived until then join."""

    async def __call__(self, batch: list[object], joiners: JoinableBatch[object]) -> list[str]:
        self.began.set()
        await self.go.wait()
        assert joiners.take() == joiners.take()
        return await super().__call__([*batch, *joiners.take()], joiners)


class JoinableFifo(Fifo[Entry[object]]):
    """A queue whose items may join a batch that has begun."""

    def next_joiner(self) -> Entry[object] | None:
        """Take the item that has waited longest."""
        return self._items.popleft() if self._items else None


async def joined_by(items: str, commits: Turns) -> list[object]:
    """Return the answers of an item and of those that arrived while its commit waited."""
    queue = JoinableFifo(100)
    group = GroupCommit(commits, queue, next_joiner=queue.next_joiner)
    commits.go.clear()
    waiting = [submit(group, "a")]
    await commits.began.wait()
    waiting += [submit(group, {"!": "poison", "x": "gone"}.get(item, item)) for item in items]
    commits.go.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    return [type(one) if isinstance(one, Exception) else one for one in answers]


async def test_items_that_arrive_before_a_commit_begins_join_it() -> None:
    commits = Turns()
    assert await joined_by("bc", commits) == ["done a", "done b", "done c"]
    assert commits.batches == [["a", "b", "c"]]


async def test_a_culprit_that_joined_fails_alone() -> None:
    commits = Turns()
    assert await joined_by("b!c", commits) == ["done a", "done b", Poisoned, "done c"]


async def test_an_item_that_joined_is_answered_that_the_database_is_away() -> None:
    commits = Turns()
    assert await joined_by("bx", commits) == [Unavailable] * 3
    assert commits.batches == [["a", "b", "gone"]]


class TooMuch:
    """A commit that times out for more than `most` items, or with an item `stuck` in it."""

    def __init__(self, most: int = 1_000) -> None:
        self.most = most
        self.batches: list[list[object]] = []
        self.tried = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, batch: list[object], _joiners: object) -> list[str]:
        self.batches.append(batch)
        if len(batch) > self.most or "stuck" in batch:
            self.tried.set()
            await self.go.wait()
            raise TimedOut("too much")
        return [f"done {item}" for item in batch]


async def test_a_batch_that_is_too_much_for_its_time_is_cut_until_it_fits() -> None:
    commits = TooMuch(most=3)
    group = GroupCommit(commits, Fifo(100))
    answers = await asyncio.gather(*(submit(group, n) for n in range(100)))
    assert answers == [f"done {n}" for n in range(100)]


async def test_only_the_item_that_is_too_much_by_itself_times_out() -> None:
    commits = TooMuch()
    group = GroupCommit(commits, Fifo(100))
    waiting = [submit(group, "stuck" if n == 40 else n) for n in range(64)]
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [n for n in range(64) if isinstance(answers[n], TimedOut)] == [40]
    assert len([batch for batch in commits.batches if "stuck" in batch]) == 3


async def test_what_comes_later_does_not_wait_for_what_is_cut() -> None:
    """Given a batch that is cut, while one of its parts takes all of its time again."""
    commits = TooMuch()
    group = GroupCommit(commits, Fifo(100))
    cut = [submit(group, item) for item in ("a", "stuck")]
    await commits.tried.wait()
    commits.tried.clear()
    commits.go.clear()  # the first try has been let go by then
    await commits.tried.wait()
    assert await submit(group, "later") == "done later"
    commits.go.set()
    answers = await asyncio.gather(*cut, return_exceptions=True)
    assert answers[0] == "done a"
    assert isinstance(answers[1], TimedOut)
    await group.idle()


async def test_parts_are_tried_only_so_long() -> None:
    """While the database stands still, every caller gets the error after the same time."""
    commits = TooMuch(most=0)
    group = GroupCommit(commits, Fifo(100), patience=-1.0)
    answers = await asyncio.gather(*(submit(group, n) for n in range(64)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {TimedOut}
    assert len(commits.batches) == 1


async def test_nothing_joins_a_batch_whose_commit_is_over() -> None:
    """A thread that was given up may still ask."""
    asked: list[JoinableBatch[object]] = []

    async def commit(batch: list[object], joiners: JoinableBatch[object]) -> list[object]:
        asked.append(joiners)
        return batch

    queue = JoinableFifo(10)
    group = GroupCommit(commit, queue, next_joiner=queue.next_joiner)
    assert await submit(group, "a") == "a"
    group._queue.put(("b", print))
    assert asked[0].take() == []
    assert len(group._queue) == 1


async def test_every_entry_is_counted_as_answered_once_whatever_becomes_of_it() -> None:
    """Committed, failed alone, timed out in parts, or refused before its commit begins."""
    counted: list[object] = []
    answered: list[object] = []

    def count(entries: Sequence[Entry[object]]) -> None:
        counted.extend(item for item, _ in entries)

    def answer(item: object, *_: object) -> None:
        assert counted.count(item) == 1
        answered.append(item)

    def put(group: GroupCommit[Any, Any], items: Iterable[object]) -> None:
        for item in items:
            group.put((item, partial(answer, item)))

    commits = Commits()
    group = GroupCommit(commits, Fifo(100), on_answered=count)
    put(group, ["first"])
    await group.idle()
    commits.go.clear()
    commits.began.clear()
    put(group, ["a", "poison", "c"])
    await commits.began.wait()
    put(group, ["refused"])
    group.refuse(Unavailable("The service is stopping."))
    commits.go.set()
    await group.idle()
    cut = GroupCommit(TooMuch(), Fifo(100), on_answered=count)
    put(cut, ["stuck", *range(20)])
    await cut.idle()
    assert len(answered) == len(counted) == 26
