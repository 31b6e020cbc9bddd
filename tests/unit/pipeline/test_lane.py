"""A lane: its window, its queue, and how fresh and waiting work take turns."""

from winnerr_webhooks.domain.event import LeasedDelivery
from winnerr_webhooks.pipeline.lane import Lane


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
    return [lane.pop().id for _ in range(len(lane))]


def test_the_window_starts_at_four_opens_by_one_and_stops_at_its_widest() -> None:
    lane = Lane("wh", 16)
    assert lane.window == 4
    lane.succeeded()
    assert lane.window == 5
    for _ in range(50):
        lane.succeeded()
    assert lane.window == 16


def test_congestion_halves_the_window_down_to_one() -> None:
    lane = Lane("wh", 16)
    windows = []
    for _ in range(4):
        lane.congested()
        windows.append(lane.window)
    assert windows == [2, 1, 1, 1]


def test_a_narrow_concurrency_bounds_the_first_window_too() -> None:
    assert Lane("wh", 2).window == 2


def test_fresh_and_waiting_work_take_turns() -> None:
    lane = Lane("wh", 16)
    for n in range(4):
        lane.add_fresh(delivery(f"fresh{n}"))
    for n in range(2):
        lane.add_waiting(delivery(f"waiting{n}"))
    order = drain(lane)
    assert [name[:5] for name in order[:4]].count("waiti") == 2
    assert order[-2:] == ["fresh2", "fresh3"]


def test_room_is_four_windows_and_half_of_it_is_kept_for_a_backlog() -> None:
    lane = Lane("wh", 16)
    assert (lane.fresh_room, lane.waiting_room) == (16, 16)
    lane.add_fresh(delivery("a"))
    assert (lane.fresh_room, lane.waiting_room) == (15, 15)
    lane.backlog = True
    assert (lane.fresh_room, lane.waiting_room) == (7, 15)


def test_a_held_lane_has_no_room_for_anything() -> None:
    lane = Lane("wh", 16)
    lane.held = True
    assert (lane.fresh_room, lane.waiting_room) == (0, 0)
