"""What a claim takes of the due rows."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.storage.claim_selection import round_robin, select
from winnerr_webhooks.storage.delivery_rows import PendingRow
from winnerr_webhooks.storage.road_values import Claim

LANES = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.tuples(st.integers(1, 20), st.integers(0, 30)),  # its limit, and how much is due
    min_size=1,
)


def pending(webhook_id: str, number: int, due_at: int) -> PendingRow:
    return PendingRow(
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
        job="",
    )


@given(LANES)
def test_no_bound_is_exceeded_and_the_rest_is_backlogged(lanes) -> None:
    """Given a limit and due work of each lane, then each gets what both allow."""
    due = [pending(id_, at, at) for id_, (_, count) in lanes.items() for at in range(count)]
    sizes = dict.fromkeys((row.event_id for row in due), 100)
    limits = {id_: limit for id_, (limit, _) in lanes.items()}
    selected = select(due, sizes, Claim(lease_seconds=60, limits=limits, max_bytes=10**9))
    found = Counter(row.webhook_id for row in selected.rows)
    assert found == Counter({id_: min(pair) for id_, pair in lanes.items()})
    assert selected.backlogged == {id_ for id_, (limit, count) in lanes.items() if count > limit}


def test_a_bound_in_bytes_leaves_each_lane_a_part() -> None:
    due = [pending(id_, at, at) for id_ in "ab" for at in range(10)]
    sizes = dict.fromkeys((row.event_id for row in due), 100)
    claim = Claim(lease_seconds=60, limits={"a": 10, "b": 10}, max_bytes=600)
    selected = select(due, sizes, claim)
    assert Counter(row.webhook_id for row in selected.rows) == {"a": 3, "b": 3}
    assert selected.backlogged == {"a", "b"}


def test_lanes_take_turns_whatever_the_age_of_their_work() -> None:
    old = [pending("a", at, at) for at in range(3)]
    new = [pending("b", at, 100 + at) for at in range(2)]
    assert round_robin(new + old) == [old[0], new[0], old[1], new[1], old[2]]
