"""Quotas: what is in use of a bound, in all and by organization, and when there is room again."""

import pytest
import structlog

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.quotas import LOG_EVERY, Bound, Budget, Usage


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def now_ms(self) -> int:
        return round(self.seconds * 1000)


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def budget(clock) -> Budget:
    bound = Bound("places", 10, "places", "constant", "tests", "Others wait.", quota=6)
    return Budget(bound, clock)


def test_a_budget_is_spent_up_to_its_limit_and_again_after_a_release(budget):
    assert budget.take(10)
    assert not budget.take()
    assert (budget.in_use, budget.refused) == (10, 1)
    budget.release(4)
    assert budget.take(4)


def test_an_organization_has_its_share_and_leaves_the_rest_to_others(budget):
    assert budget.take_for("org_a", 6)
    assert not budget.take_for("org_a", 1)
    assert budget.take_for("org_b", 4)
    assert not budget.take_for("org_b", 1)  # of its share two are left, of the whole none
    budget.release_for("org_a", 6)
    assert (budget.held_by("org_a"), budget.held_by("org_b"), budget.in_use) == (0, 4, 4)
    assert budget.take_for("org_b", 2)


def test_what_was_refused_for_want_of_the_whole_is_not_held_by_the_organization(budget):
    assert budget.take(8)
    assert not budget.take_for("org_a", 3)
    assert budget.held_by("org_a") == 0


def test_a_spent_budget_is_logged_once_a_minute_with_what_happens_then(budget, clock):
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            budget.refuse("org_a")
        clock.seconds += LOG_EVERY
        budget.refuse()
    assert [(line["event"], line["limit"], line.get("organization")) for line in lines] == [
        ("a budget is spent", 6, "org_a"),
        ("a budget is spent", 10, None),
    ]
    assert lines[0]["then"] == "Others wait."
    assert budget.refused == 4


# --- quotas that count what is here anyway --------------------------------------------------------


class Memory:
    """A budget of 1,600 bytes of which an organization may hold 400, and 100 under pressure."""

    def __init__(self) -> None:
        bound = Bound("queued_bytes", 1_600, "bytes", "", "", "", quota=400)
        self.budget = Budget(bound, SystemClock(), pressure=4)
        self.changed: list[str] = []

    def track(self, organization: str) -> Usage:
        return self.budget.track(organization, lambda: self.changed.append(organization))


def test_a_quota_is_exhausted_when_its_organization_holds_all_of_it() -> None:
    memory = Memory()
    one, other = memory.track("org_1"), memory.track("org_2")
    one.add(399)
    assert not one.exhausted
    one.add(1)
    assert one.exhausted
    assert not other.exhausted
    assert memory.changed == ["org_1"]
    assert [memory.budget.free_for(name) for name in ("org_1", "org_2", "org_3")] == [0, 400, 400]


def test_an_exhausted_quota_has_room_again_when_a_quarter_of_it_is_free() -> None:
    memory = Memory()
    usage = memory.track("org_1")
    usage.add(450)
    usage.release(149)
    assert usage.exhausted
    assert memory.changed == ["org_1"]
    usage.release(1)
    assert not usage.exhausted
    assert memory.changed == ["org_1", "org_1"]
    assert memory.budget.free_for("org_1") == 100


def test_under_pressure_each_quota_is_a_quarter_of_what_it_was() -> None:
    memory = Memory()
    usages = [memory.track(name) for name in "abcd"]
    for usage, size in zip(usages, (399, 399, 2, 100), strict=True):
        usage.add(size)
    assert memory.budget.under_pressure
    assert [usage.exhausted for usage in usages] == [True, True, False, True]
    assert [memory.budget.free_for(name) for name in "abcde"] == [0, 0, 98, 0, 100]
    memory.changed.clear()
    usages[0].release(299)
    assert memory.budget.under_pressure
    usages[1].release(1)
    assert not memory.budget.under_pressure
    assert not any(usage.exhausted for usage in usages)
    assert memory.changed == ["a", "b", "c", "d"]


def test_a_budget_is_exhausted_when_more_is_added_than_its_limit() -> None:
    memory = Memory()
    usage = memory.track("org_1")
    usage.add(1_600)
    assert (memory.budget.overdrawn, memory.budget.free) == (False, 0)
    usage.add(1)
    assert (memory.budget.overdrawn, memory.budget.free) == (True, 0)


def test_a_closed_quota_is_forgotten() -> None:
    memory = Memory()
    usage = memory.track("org_1")
    usage.add(300)
    usage.release(300)
    memory.budget.untrack(usage)
    assert memory.budget.held_by("org_1") == 0
    assert memory.track("org_1") is not usage
