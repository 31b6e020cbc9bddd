"""How a claim is shared among lanes."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.storage.rows import Waiting
from winnerr_webhooks.storage.take import first_portion, in_turn, portions_of, take
from winnerr_webhooks.storage.values import Claim

LANES = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.tuples(st.integers(1, 600), st.integers(0, 700)),  # its room, and how much is due
    min_size=1,
)


def waiting(webhook_id: str, number: int, due_at: int) -> Waiting:
    return Waiting(
        webhook_id=webhook_id,
        delivery_id=f"dlv_{webhook_id}{number:026}",
        organization="org_1",
        event="contact.created",
        test=0,
        epoch=1,
        accepted_at=due_at,
        due_at=due_at,
        lease_until=None,
        lease=0,
        idle_leases=0,
        attempts=0,
        retries_used=0,
        retry_at=due_at,
        replay=0,
        finished=0,
    )


@pytest.mark.parametrize(
    ("rooms", "limit", "portion"),
    [
        ([512], 500, 500),  # alone it has everything
        ([16], 500, 16),
        ([512, 16], 500, 250),
        ([16] * 50, 500, 10),
        ([16] * 400, 500, 2),
        ([1] * 400, 500, 1),
        ([16] * 60, 500, 9),  # rather a few too many than that a claim is not full
    ],
)
def test_the_first_portion_is_the_same_for_each_lane(rooms, limit, portion) -> None:
    assert first_portion(rooms, limit) == portion


@given(LANES, st.integers(1, 500))
def test_each_lane_has_its_portion_and_more_of_what_others_leave(lanes, limit) -> None:
    """No lane is left out, nothing is exceeded, and what is free is dealt out but for a rest."""
    room = {id_: places for id_, (places, _) in lanes.items()}
    first = first_portion(room.values(), limit)

    def read(id_: str, portion: int) -> list[Waiting]:
        return [waiting(id_, at, at) for at in range(min(lanes[id_][1], portion + 1))]

    due = [row for id_ in lanes for row in read(id_, first)]
    portions = portions_of(due, room, first, limit)
    more = {id_ for id_ in lanes if portions[id_] > first}
    due = [row for id_ in lanes for row in read(id_, max(portions[id_], first))]
    sizes = dict.fromkeys((row.event_id for row in due), 100)
    claim = Claim(lease_seconds=60, limit=limit, max_bytes=10**9, room={}, default_room=0)
    taken = Counter(row.webhook_id for row in take(due, sizes, dict(portions), claim).rows)
    least = min(first, limit // len(lanes))
    for id_, (places, waits) in lanes.items():
        assert min(places, waits, least) <= taken[id_] <= min(places, waits)
    wanted = sum(min(pair) for pair in lanes.values())
    assert taken.total() <= min(limit, wanted)
    if all(lanes[id_][1] >= portions[id_] < room[id_] for id_ in more):
        assert taken.total() == min(limit, wanted)


def test_lanes_take_turns_whatever_the_age_of_their_work() -> None:
    old = [waiting("a", at, at) for at in range(3)]
    new = [waiting("b", at, 100 + at) for at in range(2)]
    assert in_turn(new + old) == [old[0], new[0], old[1], new[1], old[2]]
