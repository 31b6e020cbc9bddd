"""A search that finds little stops in time and says where to go on."""

import pytest

from winnerr_webhooks.storage.sqlite import search
from winnerr_webhooks.storage.sqlite.search import _collect, _Step
from winnerr_webhooks.storage.values import LogFilter


def _rows(count: int):
    """A step function over ids `000…` upward, newest first, as the database gives them."""

    def step(before: str, size: int):
        newest = count if before == "~" else int(before)
        keys = range(newest - 1, max(newest - 1 - size, -1), -1)
        return _Step(list(keys), len(keys), f"{keys[-1]:08}") if keys else None

    return step


def _matching(wanted: set[int]):
    return lambda step, limit: [key for key in step.keys if key in wanted][:limit]


def test_it_stops_after_so_many_rows_and_goes_on_from_there() -> None:
    step = _rows(120_000)
    found, at = _collect(step, _matching({5}), "~", 50, lambda: 0.0)
    assert found == []
    assert 120_000 - search.MOST_ROWS - 1_000 <= int(at) <= 120_000 - search.MOST_ROWS
    while at is not None and not found:
        found, at = _collect(step, _matching({5}), at, 50, lambda: 0.0)
    assert (found, at) == ([5], None)


def test_it_stops_after_so_many_seconds() -> None:
    times = iter(range(100))
    found, at = _collect(_rows(50_000), _matching({49_999}), "~", 50, lambda: float(next(times)))
    assert found == [49_999]
    assert int(at) > 48_000


@pytest.mark.parametrize("count", [0, 49, 50, 51, 52, 600])
def test_when_everything_matches_one_step_is_enough(count) -> None:
    steps = []

    def step(before: str, size: int):
        steps.append(size)
        return _rows(count)(before, size)

    found, at = _collect(step, _matching(set(range(count))), "~", 50, lambda: 0.0)
    assert len(found) == min(count, 51)
    assert at is None
    assert len(steps) == 1


async def test_an_empty_log_has_an_empty_page(storage) -> None:
    page = await storage.log(LogFilter(organization="org_1", text="x"))
    assert (page.items, page.next) == ([], None)
