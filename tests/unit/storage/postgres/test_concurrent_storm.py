"""Everything that nodes do with deliveries, at once and by chance."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress

import pytest
from tests.unit.storage.postgres.two_nodes import value_of

from winnerr_webhooks.domain import delivery as states
from winnerr_webhooks.domain.delivery import EXHAUSTED, RETRY, SUCCESS
from winnerr_webhooks.domain.errors import Conflict
from winnerr_webhooks.storage.values import ReplayFilter


class Storm:
    """What people, their CRM and their receivers do, by chance."""

    def __init__(self, made: list, seed: int) -> None:
        self.made = made
        self.chance = random.Random(seed)
        self.deliveries: list[str] = []

    async def accept(self, world) -> None:
        name = self.chance.choice(("contact.created", "deal.created"))
        (answer,) = await world.accept(world.event(name), lease=None)
        event = await world.storage.event("org_1", answer.id)
        self.deliveries.extend(delivery.id for delivery in event.deliveries)

    async def toggle(self, world) -> None:
        webhook = self.chance.choice(self.made)
        if self.chance.random() < 0.5:
            await world.change(webhook, status="paused")
        else:
            again = self.chance.random() < 0.5
            await world.change(webhook, status="active", replay_cancelled=again)

    async def replay(self, world) -> None:
        if self.deliveries:
            with suppress(Conflict):  # its webhook is paused at this moment
                await world.storage.replay("org_1", self.chance.choice(self.deliveries))
        await world.storage.run_job_slice()

    async def send(self, world) -> None:
        taken = await world.claim(limit=5)
        outcomes = self.chance.choices((SUCCESS, RETRY, EXHAUSTED), k=len(taken))
        await world.storage.settle(
            [
                world.settlement(delivery, outcome, retry_in=0)
                for delivery, outcome in zip(taken, outcomes, strict=True)
            ]
        )


async def _often(part: Callable, world) -> None:
    for _ in range(25):
        await part(world)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.thorough
async def test_a_storm_of_everything_loses_nothing(worlds, seed) -> None:
    """Pauses, resumptions, replays, jobs, claims and settlements of two nodes at once.

    When it is over and everybody has been replayed, each delivery is delivered, and nothing waits.
    """
    one = worlds[0]
    made = [await one.webhook(name) for name in ("contact.created", "deal.created", "*")]
    storm = Storm(made, seed)
    parts = (storm.accept, storm.toggle, storm.replay, storm.send)
    await asyncio.gather(*(_often(part, world) for part in parts for world in worlds))

    for webhook in made:
        await one.change(webhook, status="active")
    await one.finish_jobs()
    await _drain(one)
    await one.storage.replay_many(ReplayFilter(organization="org_1"), dry_run=False)
    await one.finish_jobs()
    await _drain(one)
    assert len(storm.deliveries) == len(set(storm.deliveries)) > 50
    assert set(await one.statuses(storm.deliveries)) == {states.DELIVERED}
    assert await value_of(one.storage, "SELECT count(*) FROM pending") == 0
    assert (await one.storage.figures()).jobs == 0


async def _drain(world) -> None:
    world.clock.advance(seconds=120)
    await world.storage.repair()
    while taken := await world.claim():
        await world.storage.settle([world.settlement(delivery) for delivery in taken])
