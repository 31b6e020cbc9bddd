"""A lane that could not be lowered in time: the work is stored, and `repair` makes it claimable."""

import asyncpg


async def test_a_lane_locked_for_longer_than_a_caller_waits_is_left_for_repair(
    world, world_class, node_url
) -> None:
    webhook = await world.webhook()
    holder = await asyncpg.connect(node_url)
    held = holder.transaction()
    await held.start()
    await holder.execute("LOCK TABLE winnerr_webhooks.lane")
    answer = await world.storage.send_test(world.event(), webhook.id, None)
    await held.rollback()
    await holder.close()
    assert answer.deliveries == 1
    assert await world_class(world.storage, world.clock).claim() == []
    (claimed,) = await world.claim()  # repairs first, because the storage has logged it
    assert claimed.trigger == "test"
