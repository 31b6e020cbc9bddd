"""Allocation: organizations take turns for a claim, then lanes; due lanes keep their turns."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.pipeline.allocation import QUIET_PLACES, Candidate, allocate
from winnerr_webhooks.pipeline.due_lanes import DueLanes

LANES = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=2),
    st.tuples(st.sampled_from(["org_1", "org_2", "org_3"]), st.integers(1, 300)),
    max_size=40,
)


def quiet(webhook_id: str, organization: str = "org_1", room: int = 16) -> Candidate:
    return Candidate(webhook_id, organization, room, has_backlog=False)


def backlogged(webhook_id: str, organization: str = "org_1", room: int = 1_024) -> Candidate:
    return Candidate(webhook_id, organization, room, has_backlog=True)


@given(LANES, st.integers(1, 256))
def test_all_places_are_dealt_and_no_room_is_exceeded(lanes, limit) -> None:
    given_ = [quiet(id_, organization, room) for id_, (organization, room) in lanes.items()]
    places = allocate(given_, limit)
    assert sum(places.values()) == min(limit, sum(lane.room for lane in given_))
    assert all(0 < places[id_] <= lanes[id_][1] for id_ in places)


@given(LANES, st.integers(1, 256))
def test_an_organization_with_many_lanes_has_no_more_than_one_with_few(lanes, limit) -> None:
    """Organizations with room for more than their part get equally many places, or one less."""
    given_ = [quiet(id_, organization, room) for id_, (organization, room) in lanes.items()]
    had: Counter[str] = Counter()
    rooms: Counter[str] = Counter()
    for id_, places in allocate(given_, limit).items():
        had[lanes[id_][0]] += places
    for organization, room in lanes.values():
        rooms[organization] += room
    wanting = [had[one] for one in rooms if had[one] < rooms[one]]
    if wanting:
        assert max(had.values()) - min(wanting) <= 1


def test_a_backlog_has_what_lanes_with_a_retry_or_two_leave() -> None:
    lanes = [backlogged("old"), *(quiet(f"wh_{number}") for number in range(3))]
    places = allocate(lanes, 256)
    assert places == {"old": 256 - 3 * QUIET_PLACES} | {
        f"wh_{number}": QUIET_PLACES for number in range(3)
    }


def test_a_delivery_behind_many_backlogs_has_its_place_in_the_next_claim() -> None:
    lanes = [backlogged(f"old_{number}") for number in range(150)]
    places = allocate([*lanes, quiet("new")], 256)
    assert places["new"] >= 1
    assert set(places.values()) == {1, 2}


def test_another_organization_has_half_of_a_claim_beside_hundreds_of_lanes() -> None:
    lanes = [quiet(f"wh_{number}") for number in range(300)]
    places = allocate([*lanes, backlogged("other", "org_2")], 256)
    assert places["other"] == 128


# --- due lanes ------------------------------------------------------------------------------------


def all_have_room(webhook_id: str, organization: str) -> Candidate:
    return quiet(webhook_id, organization)


def ids(found: list[Candidate]) -> list[str]:
    return [lane.webhook_id for lane in found]


def test_organizations_take_turns_whatever_became_due_first() -> None:
    due = DueLanes()
    for number in range(5):
        due.add(f"a{number}", "org_1")
    due.add("b0", "org_2")
    due.add("b1", "org_2")
    assert ids(due.take(3, all_have_room)) == ["a0", "b0", "a1"]
    assert ids(due.take(9, all_have_room)) == ["b1", "a2", "a3", "a4"]
    assert not due


def test_a_lane_stands_in_its_ring_once_and_joins_its_end_again() -> None:
    due = DueLanes()
    for webhook_id in ("a0", "a1", "a0"):
        due.add(webhook_id, "org_1")
    assert ids(due.take(1, all_have_room)) == ["a0"]
    due.add("a0", "org_1")
    assert ids(due.take(9, all_have_room)) == ["a1", "a0"]


def test_lanes_without_room_are_passed_over_and_leave() -> None:
    due = DueLanes()
    for number in range(1_000):
        due.add(f"held_{number}", "org_1")
    due.add("b0", "org_2")

    def only_b(webhook_id: str, organization: str) -> Candidate | None:
        return quiet(webhook_id, organization) if webhook_id == "b0" else None

    assert ids(due.take(256, only_b)) == ["b0"]
    assert not due


def all_have_a_backlog(webhook_id: str, organization: str) -> Candidate | None:
    return backlogged(webhook_id, organization)


def due_lanes(count: int, *, has_backlog: bool = True) -> DueLanes:
    due = DueLanes()
    for number in range(count):
        due.add(f"wh_{number}", "org_1", has_backlog=has_backlog)
    return due


def test_several_deliveries_of_fewer_lanes_are_claimed_if_not_all_backlogs_fit() -> None:
    """They are in the same pages of the database: that makes a claim several times cheaper."""
    due = due_lanes(500)
    claims = [ids(due.take(32, all_have_a_backlog)) for _ in range(90)]
    assert [len(claim) for claim in claims] == [5] * 90
    assert len({webhook_id for claim in claims for webhook_id in claim}) == 450


def test_all_backlogs_that_fit_are_in_the_next_claim() -> None:
    assert len(due_lanes(32).take(32, all_have_a_backlog)) == 32


def test_lanes_with_little_due_are_taken_one_for_each_place() -> None:
    assert len(due_lanes(500, has_backlog=False).take(32, all_have_room)) == 32


def test_every_organization_has_its_place_beside_one_with_many_backlogs() -> None:
    due = due_lanes(500)
    for number in range(20):
        due.add(f"other_{number}", f"org_{number + 2}", has_backlog=True)
    assert {f"other_{number}" for number in range(20)} < set(ids(due.take(32, all_have_a_backlog)))


def test_a_retry_does_not_wait_for_the_backlogs_of_its_organization() -> None:
    due = due_lanes(500)
    due.add("retry", "org_1")
    assert "retry" in ids(due.take(32, all_have_a_backlog))


def test_lanes_with_little_room_leave_no_places_unused() -> None:
    def narrow(webhook_id: str, organization: str) -> Candidate | None:
        return backlogged(webhook_id, organization, room=2)

    claim = due_lanes(500).take(32, narrow)
    assert sum(lane.room for lane in claim) >= 32
