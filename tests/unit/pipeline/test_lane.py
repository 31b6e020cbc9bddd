"""A lane: its window, its queue, and how fresh and waiting work take turns."""

import asyncio

import pytest

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.pipeline.lane import Lane, LaneOwner
from winnerr_webhooks.quotas import Bound, Budget


def owner(organization: str) -> LaneOwner:
    """An organization that may hold as much memory as it wants."""
    memory = Budget(Bound("queued_bytes", 1 << 40, "bytes", "", "", ""), SystemClock())
    return LaneOwner(organization, memory, lambda _lane: None)


def delivery(name: str) -> LeasedDelivery:
    return LeasedDelivery(
        id=name,
        event_id="evt",
        event="task.created",
        organization="org_1",
        webhook_id="wh",
        webhook_version=1,
        body=b"{}",
    )


def drain(lane: Lane) -> list[str]:
    return [lane.pop().id for _ in range(lane.queued)]


def test_the_window_starts_at_four_opens_by_one_and_stops_at_its_widest() -> None:
    lane = Lane("wh", 16, owner("org_1"))
    assert lane.window == 4
    lane.open_window()
    assert lane.window == 5
    for _ in range(50):
        lane.open_window()
    assert lane.window == 16


def test_congestion_halves_the_window_down_to_one() -> None:
    lane = Lane("wh", 16, owner("org_1"))
    windows = []
    for _ in range(4):
        lane.halve_window()
        windows.append(lane.window)
    assert windows == [2, 1, 1, 1]


def test_a_narrow_concurrency_bounds_the_first_window_too() -> None:
    assert Lane("wh", 2, owner("org_1")).window == 2


def test_fresh_and_waiting_work_take_turns() -> None:
    lane = Lane("wh", 16, owner("org_1"))
    for n in range(8):
        lane.add_fresh(delivery(f"fresh{n}"))
    for n in range(2):
        lane.add_older(delivery(f"waiting{n}"))
    order = drain(lane)
    assert [name[:5] for name in order[:4]].count("waiti") == 1
    assert [name[:5] for name in order[:8]].count("waiti") == 2
    assert order[-2:] == ["fresh6", "fresh7"]


def test_room_is_four_windows_and_a_quarter_of_it_is_kept_for_a_backlog() -> None:
    lane = Lane("wh", 16, owner("org_1"))
    assert (lane.fresh_room, lane.claim_room) == (16, 16)
    lane.add_fresh(delivery("a"))
    assert (lane.fresh_room, lane.claim_room) == (15, 15)
    lane.has_backlog = True
    assert (lane.fresh_room, lane.claim_room) == (11, 15)


def test_of_a_backlog_more_is_wanted_when_none_of_it_is_queued_or_half_is_done() -> None:
    """Fresh work that keeps the queue full does not keep a backlog waiting."""
    lane = Lane("wh", 16, owner("org_1"))
    lane.has_backlog = True
    for n in range(12):
        lane.add_fresh(delivery(f"fresh{n}"))
    assert lane.fresh_room <= 0
    assert lane.needs_refill
    lane.add_older(delivery("waiting"))
    assert not lane.needs_refill
    while lane.queued > 8:
        lane.shed(lane.queued - 1)
    assert lane.needs_refill


def test_a_commit_may_double_a_queue_but_no_more() -> None:
    lane = Lane("wh", 16, owner("org_1"))
    for n in range(31):
        lane.add_fresh(delivery(f"fresh{n}"))
    assert lane.fresh_room < 0
    assert lane.accepts_another
    lane.add_fresh(delivery("last"))
    assert not lane.accepts_another


def test_a_lane_full_of_a_backlog_takes_on_what_it_has_room_for() -> None:
    """Else each commit would be leased for it, since it has room, and released again."""
    lane = Lane("wh", 16, owner("org_1"))
    lane.has_backlog = True
    for n in range(40):
        lane.add_older(delivery(f"waiting{n}"))
    while lane.fresh_room > 0:
        assert lane.accepts_another
        lane.add_fresh(delivery("fresh"))
    assert not lane.accepts_another


async def test_a_held_lane_has_no_room_for_anything() -> None:
    lane = Lane("wh", 16, owner("org_1"))
    lane.hold = asyncio.get_running_loop().call_later(60, lane.open_window)
    assert lane.hold is not None
    assert (lane.fresh_room, lane.claim_room, lane.attempt_room) == (0, 0, 0)
    assert not lane.accepts_another
    assert not lane.idle
    lane.hold.cancel()


def test_a_lane_sheds_its_newest_and_keeps_the_rest() -> None:
    lane = Lane("wh", 16, owner("org_1"))
    for n in range(3):
        lane.add_fresh(delivery(f"fresh{n}"))
        lane.add_older(delivery(f"waiting{n}"))
    assert [one.id for one in lane.shed(2)] == ["fresh2", "fresh1", "fresh0", "waiting2"]
    assert drain(lane) == ["waiting0", "waiting1"]


def test_a_lane_is_slow_while_its_window_is_below_the_first() -> None:
    lane = Lane("wh", 16, owner("org_1"))
    assert not lane.slow
    lane.halve_window()
    assert lane.slow
    lane.open_window()
    lane.open_window()
    assert not lane.slow


def attempts(lane: Lane, ms: float, count: int = 16) -> None:
    for _ in range(count):
        lane.note_duration(ms)


def test_a_receiver_that_keeps_up_has_a_queue_of_what_it_takes_within_a_second() -> None:
    lane = Lane("wh", 16, owner("org_1"))
    attempts(lane, 40)
    assert lane.capacity == 16
    for _ in range(12):
        lane.open_window()
    assert lane.capacity == 16 * 1_000 / 40
    attempts(lane, 1, 15)
    assert lane.capacity == 400
    attempts(lane, 1, 1)
    assert lane.capacity == 1_024
    lane.halve_window()
    assert lane.capacity == 32


def test_how_soon_half_of_the_queue_is_sent_is_known_of_quick_receivers_only() -> None:
    lane = Lane("wh", 16, owner("org_1"))
    for number in range(1_000):
        lane.add_fresh(delivery(str(number)))
    assert lane.seconds_to_room is None
    for _ in range(12):
        lane.open_window()
    assert lane.seconds_to_room is None  # its pace is not known yet
    attempts(lane, 10)  # 1,600 a second
    assert lane.seconds_to_room == pytest.approx((1_000 - 1_024 // 2) / 1_600)
    lane.shed(512)
    assert lane.seconds_to_room == 0.0


def test_one_that_becomes_slow_without_failing_keeps_no_long_queue() -> None:
    """Else most of it would wait until its leases have to go back, and come again."""
    lane = Lane("wh", 16, owner("org_1"))
    for _ in range(12):
        lane.open_window()
    attempts(lane, 2)
    assert lane.capacity == 1_024
    attempts(lane, 9_000)
    assert lane.capacity == 64
