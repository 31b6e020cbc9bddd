"""Storage.claim and due_lanes: what is due, in which order, and how much of each lane."""

import pytest

from winnerr_webhooks.domain import delivery as states
from winnerr_webhooks.domain.delivery import RETRY
from winnerr_webhooks.storage.road_values import Claim


async def _free(world, count: int = 1, **options) -> None:
    await world.accept(*(world.event(**options) for _ in range(count)), lease=None)


async def test_a_claim_leases_what_is_due_once(world) -> None:
    await world.webhook()
    await _free(world, 3)
    claimed = await world.claim(lease_seconds=90)
    assert len(claimed) == 3
    assert {one.lease for one in claimed} == {1}
    assert {one.expires for one in claimed} == {world.clock.monotonic() + 90}
    assert await world.claim() == []


async def test_a_lane_gives_no_more_than_its_limit(world) -> None:
    narrow, wide = await world.webhook("deal.created"), await world.webhook("contact.created")
    await _free(world, 5, name="deal.created")
    await _free(world, 5)
    found = await world.claimed(rooms={narrow.id: 2, wide.id: 5})
    per_lane = [one.webhook_id for one in found.deliveries]
    assert (per_lane.count(narrow.id), per_lane.count(wide.id)) == (2, 5)
    assert found.backlogged == {narrow.id}


async def test_a_lane_that_is_not_asked_for_stays_due(world) -> None:
    full = await world.webhook("deal.created")
    open_ = await world.webhook("contact.created")
    await _free(world, 5, name="deal.created")
    world.clock.advance(seconds=1)
    await _free(world, 1)
    found = await world.claimed(rooms={full.id: 0})
    assert [one.webhook_id for one in found.deliveries] == [open_.id]
    assert found.backlogged == frozenset()
    assert await world.next_due_in() == 0
    assert len(await world.claim()) == 5


async def test_of_a_lane_with_nothing_due_nothing_comes(world) -> None:
    """As when another node was quicker, or when the webhook never was."""
    webhook = await world.webhook()
    found = await world.storage.claim(
        Claim(lease_seconds=60, limits={webhook.id: 4, "wh_never": 4}, max_bytes=1000)
    )
    assert (found.deliveries, found.backlogged) == ([], frozenset())


async def test_a_claim_stops_after_the_body_that_crosses_the_sum(world) -> None:
    await world.webhook()
    await _free(world, 5)
    size = len(world.event().body)
    assert len(await world.claim(max_bytes=2 * size)) == 2
    assert len(await world.claim(max_bytes=size + 1)) == 2
    assert len(await world.claim(max_bytes=1)) == 1


async def test_of_an_organization_no_more_bytes_than_are_left(world) -> None:
    """It stops after the body that crosses the sum, and takes what others have waiting."""
    webhook, other = await world.webhook(), await world.webhook(organization="org_2")
    await _free(world, 5)
    world.clock.advance(seconds=1)
    await _free(world, 5, organization="org_2")
    size = len(world.event().body)
    found = await world.claimed(bytes_left={"org_1": 2 * size - 1, "org_2": 3 * size})
    claimed = [one.webhook_id for one in found.deliveries]
    assert (claimed.count(webhook.id), claimed.count(other.id)) == (2, 3)
    assert found.backlogged == {webhook.id, other.id}


async def test_of_an_organization_without_bytes_left_nothing_is_taken(world) -> None:
    for _ in range(4):
        await world.webhook()
    other = await world.webhook(organization="org_2")
    await _free(world, 5)
    world.clock.advance(seconds=1)
    await _free(world, organization="org_2")
    claimed = await world.claim(bytes_left={"org_1": 0})
    assert [one.webhook_id for one in claimed] == [other.id]
    assert len(await world.claim()) == 20


# --- which lanes are due --------------------------------------------------------------------------


async def test_due_lanes_come_in_pages_longest_due_first(world) -> None:
    """Lanes that became due at the same instant come each once."""
    webhooks = [await world.webhook("deal.created") for _ in range(5)]
    late = await world.webhook("contact.created", organization="org_2")
    await _free(world, name="deal.created")
    world.clock.advance(seconds=1)
    await _free(world, organization="org_2")
    seen, after = [], None
    while page := (await world.storage.due_lanes(after, 2)).lanes:
        seen += page
        after = page[-1]
    assert [one.webhook_id for one in seen] == [*sorted(one.id for one in webhooks), late.id]
    assert [one.organization for one in seen] == ["org_1"] * 5 + ["org_2"]
    assert [seen[-1].due_at - one.due_at for one in seen] == [1_000] * 5 + [0]


async def test_the_lane_that_is_due_longest_goes_first(world) -> None:
    late = await world.webhook("deal.created")
    early = await world.webhook("contact.created")
    await _free(world, 1)
    world.clock.advance(seconds=1)
    await _free(world, 1, name="deal.created")
    assert [one.webhook_id for one in await world.claim(limit=1)] == [early.id]
    assert [one.webhook_id for one in await world.claim(limit=1)] == [late.id]


async def test_an_old_backlog_leaves_others_a_part_of_every_claim(world) -> None:
    """In number and in bytes."""
    backlogged = await world.webhook("contact.created")
    others = [await world.webhook("deal.created") for _ in range(3)]
    await _free(world, 100)
    world.clock.advance(seconds=1)
    await _free(world, 2, name="deal.created")
    size = len(world.event().body)
    few = await world.claim(limit=8, max_bytes=4 * size)
    assert {one.webhook_id for one in few} >= {one.id for one in others}
    found = await world.claimed(limit=40)
    claimed = [one.webhook_id for one in found.deliveries]
    assert [claimed.count(one.id) for one in (backlogged, *others)] == [10, 1, 1, 1]
    assert found.backlogged == {backlogged.id}
    assert len(await world.claim(limit=100, room=100)) == 106 - len(few) - 13


async def test_many_old_backlogs_leave_a_new_lane_its_part_of_the_next_claim(world) -> None:
    for _ in range(12):
        await world.webhook("contact.created")
    await _free(world, 20)
    world.clock.advance(seconds=1)
    new = await world.webhook("deal.created")
    await _free(world, 1, name="deal.created")
    claimed = await world.claim(limit=40)
    assert len(claimed) >= 37  # the new lane has fewer than its part
    assert new.id in {one.webhook_id for one in claimed}
    seen = len(claimed)
    while claimed := await world.claim(limit=40, room=6):
        seen += len(claimed)
    assert seen == 241


async def test_what_is_due_first_in_a_lane_goes_first(world) -> None:
    await world.webhook()
    one, other = await world.leased(), await world.leased()
    await world.settle(one, RETRY, retry_in=20)
    await world.settle(other, RETRY, retry_in=10)
    world.clock.advance(seconds=30)
    assert [claimed.id for claimed in await world.claim()] == [other.id, one.id]


async def test_it_says_when_the_next_is_due(world) -> None:
    await world.webhook()
    assert await world.next_due_in() is None
    await world.settle(await world.leased(), RETRY, retry_in=42)
    assert await world.next_due_in() == 42
    assert await world.claim() == []
    world.clock.advance(seconds=42)
    assert await world.next_due_in() == 0
    assert len(await world.claim()) == 1
    assert await world.next_due_in() is None


async def test_many_lanes_share_one_claim(world) -> None:
    for _ in range(200):
        await world.webhook()
    await _free(world, 1)
    claimed = await world.claim(limit=1000)
    assert len({one.webhook_id for one in claimed}) == 200
    assert len({one.event_id for one in claimed}) == 1


@pytest.mark.parametrize("how", ["paused", "deleted"])
async def test_a_webhook_that_is_not_active_yields_nothing(world, how) -> None:
    """From the moment its status changes, before any job has run."""
    webhook = await world.webhook()
    await _free(world, 3)
    if how == "deleted":
        await world.storage.delete_webhook("org_1", webhook.id)
    else:
        await world.change(webhook, status=how)
    assert (await world.claimed()).deliveries == []
    await world.finish_jobs()
    assert await world.claim() == []
    assert (await world.storage.figures()).pending == 0


async def test_what_a_pause_cancelled_stays_cancelled_though_the_webhook_is_active_again(
    world,
) -> None:
    webhook = await world.webhook()
    await _free(world, 2)
    await world.change(webhook, status="paused")
    await world.change(webhook, status="active")
    fresh = await world.leased()
    assert await world.claim() == []
    await world.finish_jobs()
    assert await world.claim() == []
    assert await world.status(fresh) == states.PENDING
    assert (await world.storage.figures()).pending == 1
