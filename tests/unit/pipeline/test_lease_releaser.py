"""Lease releaser: leases go back in slices that fit the database as it is now."""

from winnerr_webhooks.domain.errors import TimedOut
from winnerr_webhooks.pipeline.lease_releaser import RELEASE_SLICE
from winnerr_webhooks.storage.road_values import Claim


async def test_after_a_slow_moment_leases_are_released_in_whole_slices_again(make_world) -> None:
    """Given a database so slow that slices came down to a few leases, then it recovers."""
    world = await make_world(start=False)
    webhook = await world.webhook()
    storage = world.storage.storage
    await storage.accept([world.event() for _ in range(2 * RELEASE_SLICE)], None)
    claimed = await storage.claim(
        Claim(lease_seconds=60, limits={webhook.id: 2 * RELEASE_SLICE}, max_bytes=1 << 30)
    )
    sizes: list[int] = []

    async def slow(batch) -> None:
        sizes.append(len(batch))
        if len(sizes) <= 6:
            raise TimedOut("The database did not finish this in time.")

    world.storage.before["release"] = slow
    for delivery in claimed.deliveries:
        world.dispatcher.queues.releaser.add(delivery)
    await world.until(
        lambda: not world.dispatcher.queues.releaser._queue and sum(sizes[6:]) >= 1000
    )
    assert sizes[6] < RELEASE_SLICE // 16
    assert len(sizes) < 20
