"""The fair queue: turns between organizations by cost, and no batch above its limit."""

from collections import Counter
from typing import NamedTuple

import pytest

from winnerr_webhooks.pipeline.fair_queue import FairQueue

LIMIT = 80


class Cost(NamedTuple):
    expected: int
    highest: int


class Item(NamedTuple):
    name: str

    @property
    def organization(self) -> str:
        return self.name[0]

    @property
    def cost(self) -> Cost:
        if self.name[1:] == "?":
            return Cost(expected=1, highest=30)
        return Cost(int(self.name[1:]), int(self.name[1:]))


class Waiting:
    """A fair queue of items such as `a10`: organization a, cost 10; `a?`: cost not known."""

    def __init__(self, *items: str) -> None:
        self.full = 0
        self.queue: FairQueue[Item] = FairQueue(
            LIMIT,
            on_full=self._note_full,
        )
        self.put(*items)

    def _note_full(self) -> None:
        self.full += 1

    def put(self, *items: str) -> None:
        for item in items:
            self.queue.put((Item(item), print))

    def batch(self) -> list[str]:
        return [item.name for item, _ in self.queue.next_batch()]

    def late(self) -> str | None:
        entry = self.queue.next_joiner()
        return None if entry is None else entry[0].name


def test_all_that_fits_is_one_batch_in_order() -> None:
    waiting = Waiting("a10", "b20", "a50")
    assert waiting.batch() == ["a10", "b20", "a50"]
    assert (len(waiting.queue), waiting.full) == (0, 0)


def test_no_batch_costs_more_than_the_limit_and_nothing_is_left_behind() -> None:
    items = [f"{name}{cost}" for cost in (7, 33, 11) for name in "abcde" for _ in range(9)]
    waiting = Waiting(*items)
    batches = []
    while waiting.queue:
        batches.append(waiting.batch())
    assert all(sum(int(item[1:]) for item in batch) <= LIMIT for batch in batches)
    assert sorted(item for batch in batches for item in batch) == sorted(items)
    assert waiting.full


def test_an_item_above_the_limit_goes_alone() -> None:
    waiting = Waiting("a10", "a500", "a10")
    assert [waiting.batch(), waiting.batch(), waiting.batch()] == [["a10"], ["a500"], ["a10"]]


def test_a_few_of_one_organization_do_not_wait_for_many_of_another() -> None:
    waiting = Waiting(*["a10"] * 1_000, "b10", "c10")
    first = waiting.batch() + waiting.batch()
    assert {"b10", "c10"} <= set(first)


def test_organizations_have_equal_parts_by_cost_whatever_their_items_cost() -> None:
    """Given one with few dear items and one with many cheap ones, both with more than enough."""
    waiting = Waiting(*["a40"] * 500, *["b1"] * 20_000)
    cost: Counter[str] = Counter()
    for _ in range(100):
        for item in waiting.batch():
            cost[item[0]] += int(item[1:])
    assert cost["a"] == pytest.approx(cost["b"], rel=0.05)


def test_what_came_later_joins_while_it_fits() -> None:
    waiting = Waiting("a50")
    waiting.batch()
    waiting.put("b20", "a20", "a1")
    assert waiting.late() == "b20"
    assert waiting.late() is None
    assert waiting.batch() == ["a20", "a1"]


def test_what_is_not_known_joins_only_where_the_most_it_can_cost_fits() -> None:
    waiting = Waiting("a?")
    assert waiting.batch() == ["a?"]
    waiting.put("b?", "c?")
    assert [waiting.late(), waiting.late()] == ["b?", None]


def test_nothing_joins_before_what_waits_longer() -> None:
    waiting = Waiting(*["a70"] * 3)
    waiting.batch()
    waiting.put("b1")
    assert waiting.late() is None


def test_all_can_be_taken_out() -> None:
    waiting = Waiting(*["a50"] * 3)
    waiting.batch()
    waiting.put("b1")
    assert sorted(item.name for item, _ in waiting.queue.clear()) == ["a50", "a50", "b1"]
    assert len(waiting.queue) == 0
