"""Budgets: each bound is derived from settings and machine, and shown."""

import re
from pathlib import Path

import pytest

from winnerr_webhooks.budgets import Budgets, derive, divide
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import Config
from winnerr_webhooks.quotas import Bound

PAGE = Path(__file__).parents[2] / "docs/explanation/budgets.md"
MANY = 1_048_576


@pytest.mark.parametrize("descriptors", [0, 256, 1_024, 4_096, 20_000, MANY])
def test_descriptors_are_divided_without_the_reserve_ever_being_given_out(descriptors):
    parts = divide(descriptors)
    given = parts.attempts + parts.kept + parts.incoming
    assert given <= max(descriptors, 128) - parts.reserve
    assert min(parts.attempts, parts.kept, parts.incoming) > 0


def test_every_bound_has_a_budget_of_its_name_or_is_a_time():
    bounds = derive(Config(), MANY)
    budgets = {budget.bound.name for budget in Budgets(bounds, SystemClock())}
    assert {bound.name for bound in bounds} - budgets == {"stop_seconds"}
    assert bounds._asdict().keys() == {bound.name for bound in bounds}


def test_no_share_is_larger_than_its_bound():
    assert all(bound.quota <= bound.limit for bound in derive(Config(), MANY))


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
        amount(bound.quota) if bound.quota else "—",
        source,
        bound.when_spent,
    ]


if __name__ == "__main__":  # writes the rows of the page anew
    for one in derive(Config(), MANY):
        print(f"| `{one.name}` | " + " | ".join(documented(one)) + " |")
