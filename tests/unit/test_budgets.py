"""Budgets: each bound is derived, spent, shared and shown."""

import re
from pathlib import Path

import pytest
import structlog

from winnerr_webhooks.budgets import LOG_EVERY, Bound, Budget, Budgets, derive, divide
from winnerr_webhooks.config import Config

PAGE = Path(__file__).parents[2] / "docs/explanation/budgets.md"
MANY = 1_048_576


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
    bound = Bound("places", 10, "places", "constant", "tests", "Others wait.", share=6)
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


@pytest.mark.parametrize("descriptors", [0, 256, 1_024, 4_096, 20_000, MANY])
def test_descriptors_are_divided_without_the_reserve_ever_being_given_out(descriptors):
    parts = divide(descriptors)
    given = parts.attempts + parts.kept + parts.incoming
    assert given <= max(descriptors, 128) - parts.reserve
    assert min(parts.attempts, parts.kept, parts.incoming) > 0


def test_every_bound_has_a_budget_of_its_name_or_is_a_time(clock):
    bounds = derive(Config(), MANY)
    budgets = {budget.bound.name for budget in Budgets(bounds, clock)}
    assert {bound.name for bound in bounds} - budgets == {"stop_seconds"}
    assert bounds._asdict().keys() == {bound.name for bound in bounds}


def test_no_share_is_larger_than_its_bound():
    assert all(bound.share <= bound.limit for bound in derive(Config(), MANY))


def test_the_page_about_budgets_has_each_bound_as_it_is():
    rows = re.findall(
        r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", PAGE.read_text(), re.MULTILINE
    )
    shown = {name: rest for name, *rest in rows}
    for bound in derive(Config(), MANY):
        assert shown.pop(bound.name) == documented(bound)
    assert shown == {}


def documented(bound: Bound) -> list[str]:
    def amount(units: int) -> str:
        return f"{units >> 20} MiB" if bound.unit == "bytes" else f"{units:,} {bound.unit}"

    source = bound.source.partition(" (")[0]
    return [
        amount(bound.limit),
        amount(bound.share) if bound.share else "—",
        source,
        bound.when_spent,
    ]


if __name__ == "__main__":  # writes the rows of the page anew
    for one in derive(Config(), MANY):
        print(f"| `{one.name}` | " + " | ".join(documented(one)) + " |")
