"""A scan finds what is there, stops in time and says where to go on."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.domain import delivery as states
from winnerr_webhooks.ids import id_floor
from winnerr_webhooks.storage import log_scan
from winnerr_webhooks.storage.log_scan import LogScan, next_size, sources, streak_start, windows
from winnerr_webhooks.storage.values import Delivery

NOW = 1_800_000_000_000
DAY = 86_400_000


def scan_of(count: int, wanted: set[int], monotonic, *, before="~", limit=50, first=None):
    """Walk over rows 0 to `count`, newest first, as a database gives them; the sizes, too."""
    scan: LogScan[int] = LogScan(before, limit, monotonic, first=first)
    sizes = []
    while not scan.over:
        newest = count if scan.before == "~" else int(scan.before)
        keys = range(newest - 1, max(newest - 1 - scan.size, -1), -1)
        sizes.append(scan.size)
        if keys:
            found = [key for key in keys if key in wanted][: scan.wanted]
            scan.add(len(keys), f"{keys[-1]:08}", found)
        else:
            scan.end()
    return scan, sizes


def test_it_stops_after_so_many_rows_and_goes_on_from_there() -> None:
    scan, _ = scan_of(120_000, {5}, lambda: 0.0)
    assert scan.kept == []
    at = scan.next([])
    assert at is not None
    assert 120_000 - log_scan.MAX_ROWS - log_scan.STEP <= int(at) <= 120_000 - log_scan.MAX_ROWS
    while at is not None and not scan.kept:
        scan, _ = scan_of(120_000, {5}, lambda: 0.0, before=at)
        at = scan.next([])
    assert (scan.kept, at) == ([5], None)


def test_it_stops_after_so_many_seconds() -> None:
    times = itertools.count()
    scan, _ = scan_of(50_000, {49_999}, lambda: float(next(times)))
    assert scan.kept == [49_999]
    at = scan.next([])
    assert at is not None
    assert int(at) > 48_000


@pytest.mark.parametrize("count", [0, 49, 50, 51, 52, 600])
def test_when_everything_matches_one_step_is_enough(count) -> None:
    scan, sizes = scan_of(count, set(range(count)), lambda: 0.0)
    assert len(scan.kept) == min(count, 50)
    assert len(sizes) == 1


def test_a_first_step_over_bodies_is_short_whatever_the_limit() -> None:
    _, sizes = scan_of(600, set(), lambda: 0.0, limit=500, first=51)
    assert sizes == [51, 500, 500]


@given(
    st.sets(st.integers(0, 2_000)), st.integers(0, 2_000), st.integers(1, 60), st.integers(1, 60)
)
def test_pages_one_after_another_give_every_match_once_newest_first(
    wanted, count, limit, first
) -> None:
    seen: list[int] = []
    before = "~"
    for _ in range(count + 2):
        scan, _ = scan_of(count, wanted, lambda: 0.0, before=before, limit=limit, first=first)
        page = [_delivery(f"{key:08}") for key in scan.kept]
        seen += scan.kept
        at = scan.next(page)
        if at is None:
            break
        assert len(page) == limit
        before = at
    else:
        pytest.fail("it never ends")
    assert seen == sorted((key for key in wanted if key < count), reverse=True)


def _delivery(id_: str) -> Delivery:
    return Delivery(
        id=id_,
        organization="",
        event_id="",
        event="",
        webhook_id="",
        status="",
        test=False,
        next_attempt_at=None,
    )


@pytest.mark.parametrize(
    ("examined", "took", "size"),
    [
        (51, 0.0, 500),
        (51, 0.001, 500),
        (500, 0.2, 500),
        (500, 0.4, 250),
        (51, 0.2, 51),
        (50, 2.0, 25),
        (25, 5.0, 25),
    ],
)
def test_a_step_that_takes_long_is_followed_by_shorter_ones(examined, took, size) -> None:
    assert next_size(examined, took) == size


# --- ranges of ids --------------------------------------------------------------------------------


@given(st.integers(0, NOW + DAY), st.sampled_from([None, 1, 40, 300]), st.integers(0, 400))
def test_windows_cover_a_range_once_newest_first(made_at, floor_days, before_days) -> None:
    floor = "" if floor_days is None else id_floor("att", NOW - floor_days * DAY)
    before = "~" if not before_days else id_floor("att", NOW - before_days * DAY)
    whole = log_scan.IdRange(before, floor)
    cut = list(windows("att", whole, NOW))
    assert cut[0].before == before
    assert cut[-1].floor == floor
    assert all(newer.floor == older.before for newer, older in itertools.pairwise(cut))
    one = id_floor("att", made_at)
    holding = [window for window in cut if window.floor <= one < window.before]
    assert len(holding) == (floor <= one < before)


def test_the_first_window_is_a_day() -> None:
    first = next(windows("dlv", log_scan.IdRange("~", ""), NOW))
    assert first == ("~", id_floor("dlv", NOW - DAY))


def test_times_narrow_a_range_of_ids_with_slack_and_an_id_exactly() -> None:
    hour = 3_600_000
    older, newer = id_floor("att", NOW - DAY), id_floor("att", NOW)
    assert log_scan.id_range("att", None, None, None) == ("~", "")
    assert log_scan.id_range("att", None, NOW, NOW + 5) == (
        id_floor("att", NOW + 5 + hour),
        id_floor("att", NOW - hour),
    )
    found = log_scan.id_range("att", newer, None, None, older)
    assert found.before == newer
    assert older < found.floor < older[:-1] + "1"
    assert log_scan.id_range("att", newer, NOW - 2 * DAY, None, older).floor == found.floor


def test_what_began_a_run_was_made_shortly_before_it_was_settled() -> None:
    start = streak_start(NOW)
    assert start.floor <= id_floor("att", NOW - 5_000)
    assert start.before == id_floor("att", NOW + 1)


def test_cancelled_deliveries_may_not_have_been_written_down_yet() -> None:
    assert sources(states.PENDING) == ("step_pending",)
    assert sources(states.FAILED) == ("step_undelivered",)
    assert "step_pending" in sources(states.CANCELLED)
    assert sources(None) == sources(states.DELIVERED) == ("step_deliveries", "step_pending")
