"""The traffic of a webhook: exact counts by interval and duration, and a bounded sample."""

from winnerr_webhooks.domain.delivery import EXHAUSTED, RETRY, SUCCESS
from winnerr_webhooks.domain.duration_classes import duration_class
from winnerr_webhooks.storage.road_values import LeaseTerms
from winnerr_webhooks.storage.traffic_port import Traffic, TrafficQuery

FIVE_MINUTES = 300_000


def query(world, webhook, **changes):
    start = world.clock.ms - world.clock.ms % FIVE_MINUTES
    values = {
        "organization": "org_1",
        "webhook": webhook.id,
        "since": start - 11 * FIVE_MINUTES,
        "step_ms": FIVE_MINUTES,
        "intervals": 12,
        "sampled": 100,
    }
    return TrafficQuery(**(values | changes))


def counted(traffic):
    return {
        (one.interval, one.duration_class): (one.succeeded, one.failed) for one in traffic.counts
    }


async def test_attempts_are_counted_by_interval_and_duration(world) -> None:
    webhook = await world.webhook()
    await world.webhook()  # its deliveries are another webhook's traffic
    for seconds, happened, ms in ((0, SUCCESS, 5), (600, RETRY, 5), (0, EXHAUSTED, 900)):
        world.clock.advance(seconds=seconds)
        for delivery in (await world.accept())[0].leased:
            await world.settle(delivery, happened, duration_ms=ms)
    traffic = await world.storage.traffic(query(world, webhook))
    assert counted(traffic) == {
        (9, duration_class(5)): (1, 0),
        (11, duration_class(5)): (0, 1),
        (11, duration_class(900)): (0, 1),
    }
    longer = query(world, webhook, step_ms=2 * FIVE_MINUTES, intervals=6)
    assert sum(sum(one) for one in counted(await world.storage.traffic(longer)).values()) == 3
    later = query(world, webhook, since=query(world, webhook).since + 10 * FIVE_MINUTES)
    assert counted(await world.storage.traffic(later)) == {
        (1, duration_class(5)): (0, 1),
        (1, duration_class(900)): (0, 1),
    }


async def test_the_sample_has_the_newest_attempts_of_each_interval(world) -> None:
    webhook = await world.webhook()
    started = []
    for seconds in (0, 1, 1, 300, 1):
        world.clock.advance(seconds=seconds)
        started.append(world.clock.ms)
        delivery = await world.leased(name="deal.created")
        await world.settle(delivery, RETRY, status=500 + len(started))
    whole = await world.storage.traffic(query(world, webhook))
    assert sorted((one.started_at, one.event, one.outcome, one.status) for one in whole.sample) == [
        (at, "deal.created", "failed", 501 + index) for index, at in enumerate(started)
    ]
    some = await world.storage.traffic(query(world, webhook, sampled=2))
    assert sorted(one.status for one in some.sample) == [502, 503, 504, 505]
    assert counted(some) == counted(whole)


async def test_tests_are_no_traffic(world) -> None:
    webhook = await world.webhook()
    terms = LeaseTerms(seconds=60)
    for _test in range(2):
        accepted = await world.storage.send_test(world.event(), webhook.id, terms)
        await world.settle(accepted.leased[0])
    assert await world.storage.traffic(query(world, webhook)) == Traffic(counts=[], sample=[])
    await world.settle(await world.leased())
    assert len((await world.storage.traffic(query(world, webhook))).sample) == 1


async def test_another_organization_sees_no_traffic(world) -> None:
    webhook = await world.webhook()
    await world.settle(await world.leased())
    other = await world.storage.traffic(query(world, webhook, organization="org_2"))
    assert (other.counts, other.sample) == ([], [])


async def test_a_month_of_traffic_is_kept_however_short_attempts_are_kept(world) -> None:
    webhook = await world.webhook()
    await world.settle(await world.leased())
    world.clock.advance(days=29)
    day = 86_400_000
    month = query(
        world,
        webhook,
        since=world.clock.ms // day * day - 29 * day,
        step_ms=day,
        intervals=30,
    )
    while await world.storage.run_retention_slice(1):
        pass
    assert counted(await world.storage.traffic(month)) == {(0, duration_class(12.5)): (1, 0)}
