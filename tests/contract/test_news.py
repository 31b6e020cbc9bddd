"""Storage.news: what waits, whichever node left it there."""

from winnerr_webhooks.domain.delivery import RETRY


async def test_nothing_waits_at_first(world) -> None:
    await world.webhook()
    news = await world.storage.news()
    assert (news.is_due, news.has_jobs, news.outbox_waits) == (False, False, False)


async def test_a_delivery_is_due_until_it_is_claimed(world) -> None:
    await world.webhook()
    await world.accept(lease=None)
    assert (await world.storage.news()).is_due
    await world.claim()
    assert not (await world.storage.news()).is_due


async def test_a_retry_is_due_when_its_time_has_come(world) -> None:
    await world.webhook()
    await world.settle(await world.leased(), RETRY, retry_in=60)
    assert not (await world.storage.news()).is_due
    world.clock.advance(seconds=61)
    assert (await world.storage.news()).is_due


async def test_a_job_waits_until_it_is_done(world) -> None:
    webhook = await world.webhook()
    await world.accept(lease=None)
    await world.change(webhook, status="paused")
    assert (await world.storage.news()).has_jobs
    await world.finish_jobs()
    assert not (await world.storage.news()).has_jobs


async def test_every_change_of_a_webhook_moves_the_mark(world) -> None:
    webhook = await world.webhook()
    marks = [(await world.storage.news()).change_mark]
    for url in ("https://a.example.com/", "https://b.example.com/"):
        await world.change(webhook, url=url)
        marks.append((await world.storage.news()).change_mark)
    assert marks == sorted(set(marks))
