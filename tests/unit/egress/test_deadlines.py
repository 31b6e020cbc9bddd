"""Deadlines of equal length end at their own times, in the order they began."""

import asyncio

from winnerr_webhooks.egress.deadlines import Deadlines


class Job:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()
        self.expired: asyncio.Future[float] = self.loop.create_future()

    def expire(self) -> None:
        self.expired.set_result(self.loop.time() - self.began)


async def test_each_expires_once_its_time_is_over():
    deadlines = Deadlines(0.05)
    loop = asyncio.get_running_loop()
    first, second = Job(), Job()
    deadlines.add(first, loop)
    await first.expired
    second = Job()
    deadlines.add(second, loop)
    for job in (first, second):
        assert await job.expired >= 0.045
    assert len(deadlines) == 0


async def test_a_deadline_of_another_length_has_its_own_time():
    deadlines = Deadlines(30)
    loop = asyncio.get_running_loop()
    usual, short, dropped = Job(), Job(), Job()
    deadlines.add(usual, loop)
    deadlines.add(dropped, loop, 0.02)
    deadlines.add(short, loop, 0.05)
    deadlines.add(short, loop, 0.02)
    deadlines.discard(dropped)
    assert 0.045 <= await short.expired < 20
    assert not usual.expired.done()
    assert not dropped.expired.done()
    assert len(deadlines) == 1
    deadlines.add(short, loop, 0.02)
    deadlines.close()
    assert len(deadlines) == 0


async def test_a_discarded_target_does_not_expire():
    deadlines = Deadlines(0.05)
    loop = asyncio.get_running_loop()
    dropped, kept = Job(), Job()
    deadlines.add(dropped, loop)
    deadlines.add(kept, loop)
    deadlines.discard(dropped)
    deadlines.discard(dropped)
    await kept.expired
    assert not dropped.expired.done()


async def test_adding_a_target_again_does_not_restart_its_deadline():
    deadlines = Deadlines(0.1)
    loop = asyncio.get_running_loop()
    job, other = Job(), Job()
    deadlines.add(job, loop)
    loop.call_later(0.05, deadlines.add, job, loop)
    loop.call_later(0.05, deadlines.add, other, loop)
    # However late all of them are, they come in order.
    order: list[str] = []
    job.expired.add_done_callback(lambda _: order.append("expired"))
    loop.call_later(0.14, loop.call_soon, loop.call_soon, order.append, "too late")
    await job.expired
    while not order:
        await asyncio.sleep(0)
    assert order[0] == "expired"
    await other.expired


async def test_closing_drops_all_deadlines():
    deadlines = Deadlines(0.01)
    loop = asyncio.get_running_loop()
    job = Job()
    deadlines.add(job, loop)
    deadlines.close()
    assert len(deadlines) == 0
    later = Job()
    deadlines.add(later, loop)
    await later.expired
    assert not job.expired.done()
