"""Ordered commit: nothing of an organization is committed before what it sent earlier."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest

from winnerr_webhooks.domain.errors import Poisoned, TimedOut, Unavailable, Uncertain
from winnerr_webhooks.pipeline import ordered_commit
from winnerr_webhooks.pipeline.fair_queue import FairQueue
from winnerr_webhooks.pipeline.group_commit import Entry
from winnerr_webhooks.pipeline.ordered_commit import commit_in_order


class One(NamedTuple):
    """What any item costs."""

    expected: int = 1
    highest: int = 1


class Item(NamedTuple):
    organization: str
    number: int
    cost: One = One()


class Ledger:
    """Commits items, unless a test says what goes wrong with a batch."""

    def __init__(self, *items: Item, limit: int = 100) -> None:
        self.committed: list[Item] = []
        self.tries: list[list[Item]] = []
        self.answers: dict[Item, Any] = {}
        self.counted: list[Item] = []
        self.queue: FairQueue[Item] = FairQueue(limit, on_full=lambda: None)
        for item in items:
            self.queue.put(
                (item, lambda answer, error, item=item: self.answer(item, answer, error))
            )

    def answer(self, item: Item, answer: Any, error: Exception | None) -> None:
        assert item not in self.answers
        assert item in self.counted
        self.answers[item] = error or answer

    def fault(self, batch: list[Item]) -> Exception | None:
        return None

    async def commit(self, batch: list[Item]) -> list[str]:
        self.tries.append(batch)
        fault = self.fault(batch)
        if fault is not None:
            raise fault
        self.committed += batch
        return [f"stored {item.number}" for item in batch]

    async def run(self) -> None:
        def count(entries: Sequence[Entry[Item]]) -> None:
            self.counted += [item for item, _ in entries]

        await commit_in_order(self.queue, self.commit, lambda _batch, _seconds: 0.0, count)
        assert sorted(self.counted) == sorted(self.answers)

    def numbers(self, organization: str) -> list[int]:
        return [item.number for item in self.committed if item.organization == organization]


def items(organization: str, count: int) -> list[Item]:
    return [Item(organization, number) for number in range(count)]


async def test_everything_is_committed_in_as_few_batches_as_fit_and_answered() -> None:
    ledger = Ledger(*items("a", 30), *items("b", 5), limit=10)
    await ledger.run()
    assert len(ledger.tries) == 4
    assert ledger.numbers("a") == list(range(30))
    assert ledger.numbers("b") == list(range(5))
    assert ledger.answers[Item("a", 7)] == "stored 7"


async def test_a_batch_that_times_out_is_committed_in_parts_in_order() -> None:
    ledger = Ledger(*items("a", 16))
    ledger.fault = lambda batch: TimedOut("too much") if len(batch) > 3 else None
    await ledger.run()
    assert ledger.numbers("a") == list(range(16))


async def test_after_an_item_that_times_out_alone_its_organization_waits_and_others_do_not() -> (
    None
):
    ledger = Ledger(*items("a", 8), *items("b", 8), limit=6)
    ledger.fault = lambda batch: TimedOut("too much") if Item("a", 3) in batch else None
    await ledger.run()
    assert ledger.numbers("a") == [0, 1, 2]
    assert ledger.numbers("b") == list(range(8))
    assert all(isinstance(ledger.answers[item], TimedOut) for item in items("a", 8)[3:])


@pytest.mark.parametrize("fault", [Poisoned("bad data"), ZeroDivisionError("a fault of ours")])
async def test_an_item_that_can_never_be_stored_fails_alone(fault) -> None:
    ledger = Ledger(*items("a", 9))
    ledger.fault = lambda batch: fault if Item("a", 4) in batch else None
    await ledger.run()
    assert ledger.numbers("a") == [0, 1, 2, 3, 5, 6, 7, 8]
    assert isinstance(ledger.answers[Item("a", 4)], Poisoned)


@pytest.mark.parametrize("error", [Unavailable("away"), Uncertain("lost in a commit")])
async def test_when_the_database_is_away_nothing_more_is_tried(error) -> None:
    """What follows must not be stored before what may not be stored."""
    ledger = Ledger(*items("a", 6), *items("b", 6), limit=4)
    ledger.fault = lambda batch: error if len(ledger.tries) == 2 else None
    await ledger.run()
    assert len(ledger.tries) == 2
    assert len(ledger.answers) == 12
    assert [answer for answer in ledger.answers.values() if answer is error] == [error] * 8


async def test_a_database_that_stays_slow_ends_it(monkeypatch) -> None:
    monkeypatch.setattr(ordered_commit, "PATIENCE", -1.0)
    ledger = Ledger(*items("a", 6))
    ledger.fault = lambda _batch: TimedOut("slow")
    await ledger.run()
    assert len(ledger.tries) == 1
    assert all(isinstance(answer, TimedOut) for answer in ledger.answers.values())
