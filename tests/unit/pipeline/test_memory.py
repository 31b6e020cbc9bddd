"""Memory: what each organization holds of it, and when there is room again."""

from winnerr_webhooks.budgets import Bound, Budget
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.pipeline.lane import Lane
from winnerr_webhooks.pipeline.memory import Memory


def make() -> tuple[Memory, list[str]]:
    """Memory of 1,600 bytes, and the webhooks whose room has changed."""
    changed: list[str] = []
    bound = Bound("queued_bytes", 1_600, "bytes", "", "", "", share=400)
    return Memory(
        Budget(bound, SystemClock()), lambda lane: changed.append(lane.webhook_id)
    ), changed


def lane(memory: Memory, webhook_id: str, organization: str = "org_1") -> Lane:
    return Lane(webhook_id, 16, memory.join(organization))


def test_an_organization_holds_a_quarter_over_all_its_lanes() -> None:
    memory, changed = make()
    one, other, foreign = lane(memory, "a"), lane(memory, "b"), lane(memory, "c", "org_2")
    memory.take(one.share, 300)
    assert not other.share.spent
    memory.take(other.share, 100)
    assert one.share.spent
    assert not foreign.share.spent
    assert sorted(changed) == ["a", "b"]
    assert (memory.left_of("org_1"), memory.left_of("org_2")) == (0, 400)


def test_a_share_is_open_again_when_a_quarter_of_it_is_free() -> None:
    memory, changed = make()
    one = lane(memory, "a")
    memory.take(one.share, 450)
    memory.release(one.share, 149)
    assert one.share.spent
    assert changed == ["a"]
    memory.release(one.share, 1)
    assert not one.share.spent
    assert changed == ["a", "a"]
    assert memory.left_of("org_1") == 100


def test_with_half_of_it_in_use_an_organization_holds_a_sixteenth() -> None:
    memory, changed = make()
    lanes = [lane(memory, name, name) for name in "abcd"]
    for one, size in zip(lanes, (399, 399, 2, 100), strict=True):
        memory.take(one.share, size)
    assert memory.tight
    assert [one.share.spent for one in lanes] == [True, True, False, True]
    assert [memory.left_of(name) for name in "abcde"] == [0, 0, 98, 0, 100]
    changed.clear()
    memory.release(lanes[0].share, 299)
    assert memory.tight
    memory.release(lanes[1].share, 1)
    assert not memory.tight
    assert not any(one.share.spent for one in lanes)
    assert changed == ["a", "b", "c", "d"]


def test_what_is_full_is_full() -> None:
    memory, _ = make()
    one = lane(memory, "a")
    memory.take(one.share, 1_600)
    assert (memory.full, memory.free) == (False, 0)
    memory.take(one.share, 1)
    assert (memory.full, memory.free) == (True, 0)


def test_an_organization_without_lanes_is_forgotten() -> None:
    memory, _ = make()
    one, other = lane(memory, "a"), lane(memory, "b")
    memory.leave(one)
    assert memory.join("org_1") is other.share
    memory.leave(other)
    assert memory.join("org_1") is not other.share
