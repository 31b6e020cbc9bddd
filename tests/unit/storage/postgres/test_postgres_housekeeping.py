"""The database's clock, figures, and the probe."""

import asyncio
import time

import pytest

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.storage.postgres import postgres_housekeeping


class FastClock(SystemClock):
    """Of a node that is two hours ahead of everybody else."""

    def now_ms(self) -> int:
        return super().now_ms() + 7_200_000


async def test_instants_are_those_of_the_database(open_node) -> None:
    node = await open_node(clock=FastClock(), follow_database_clock=True)
    assert abs(node._clock.now_ms() - time.time() * 1000) < 60_000


async def test_the_clock_is_read_again_when_the_probe_finds_it_due(open_node, monkeypatch) -> None:
    node = await open_node(clock=FastClock(), follow_database_clock=True)
    read_at = node._clock.monotonic() - 15
    node._clock.read(0.0, read_at, read_at)
    await node.check()
    assert node._clock.now_ms() < 10_000_000
    read_at = node._clock.monotonic() - 31
    node._clock.read(0.0, read_at, read_at)
    node._probe = None
    await node.check()
    assert abs(node._clock.now_ms() - time.time() * 1000) < 60_000


async def test_one_probe_a_second_answers_everybody(node, clock) -> None:
    async def probed_at() -> int:
        async def ask(db):
            return await db.connection.fetchval("SELECT value FROM meta WHERE name = 'probed_at'")

        return await node._aside.transact(ask)

    await asyncio.gather(*(node.check() for _ in range(20)))
    first = await probed_at()
    assert first == clock.ms
    clock.advance(seconds=0.9)
    await node.check()
    assert await probed_at() == first
    clock.advance(seconds=0.1)
    await node.check()
    assert await probed_at() == clock.ms


async def test_figures_that_took_long_are_kept_for_long(node, world, clock, monkeypatch) -> None:
    count = postgres_housekeeping._count_rows

    async def slowly(db):
        clock.advance(seconds=0.5)
        return await count(db)

    monkeypatch.setattr(postgres_housekeeping, "_count_rows", slowly)
    nothing, again = await asyncio.gather(node.figures(), node.figures())
    assert nothing == again
    assert nothing.pending == 0
    await world.webhook()
    await world.leased()
    clock.advance(seconds=9.9)
    assert await node.figures() == nothing
    clock.advance(seconds=0.1)
    assert (await node.figures()).pending == 1


@pytest.mark.thorough
async def test_a_database_that_is_away_fails_the_probe_and_one_that_is_back_passes_it(
    make_postgres, open_node, clock
) -> None:
    server = await asyncio.to_thread(make_postgres, durable=True)
    node = await open_node(server.url(await server.create_database()))
    assert node.warnings() == ()
    await node.check()
    await asyncio.to_thread(server.stop, "immediate")
    clock.advance(seconds=2)
    with pytest.raises(Unavailable):
        await node.check()
    await asyncio.to_thread(server.start)
    async with asyncio.timeout(60):
        await node._road._pool._back.wait()
    clock.advance(seconds=2)
    await node.check()


async def test_settings_that_make_a_commit_no_promise_are_warned_of(node) -> None:
    warnings = node.warnings()  # the shared server runs without fsync
    assert [words.split()[3] for words in warnings] == ["fsync", "full_page_writes"]
