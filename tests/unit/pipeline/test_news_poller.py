"""News poller: one read wakes the loops that have work, and a database without news rests."""

import asyncio

import pytest

from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.ids import Jitter
from winnerr_webhooks.pipeline import news_poller
from winnerr_webhooks.pipeline.news_poller import NewsPoller
from winnerr_webhooks.pipeline.node_signals import NodeSignals
from winnerr_webhooks.storage.road_values import News

NOTHING = News(is_due=False, has_jobs=False, outbox_waits=False, change_mark=7)


class Reads:
    """A storage that gives one answer after another, and holds each read until it is asked for."""

    is_shared = True

    def __init__(self) -> None:
        self.answers: asyncio.Queue[News | Exception] = asyncio.Queue()
        self.taken = asyncio.Event()

    async def news(self) -> News:
        self.taken.set()
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def give(self, answer: News | Exception) -> None:
        """Answer a read, and return when the next one has begun."""
        await self.taken.wait()
        self.taken.clear()
        self.answers.put_nowait(answer)
        await self.taken.wait()


class World:
    def __init__(self) -> None:
        self.storage, self.signals, self.heard = Reads(), NodeSignals(), list[str]()
        for name in ("work_due", "job_created", "changes_found", "outbox_filled"):
            getattr(self.signals, name).connect(lambda *_values, name=name: self.heard.append(name))
        self.poller = NewsPoller(self.storage, self.signals, Jitter(1))  # type: ignore[arg-type]

    async def after(self, answer: News | Exception) -> list[str]:
        """The signals that an answer causes."""
        self.heard.clear()
        await self.storage.give(answer)
        return list(self.heard)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch):
    for name in ("POLL", "RESTING_POLL", "AWAY_WAIT"):
        monkeypatch.setattr(news_poller, name, 0.0)
    world = World()
    world.poller.start()
    await world.after(NOTHING)
    yield world
    await world.poller.close()


@pytest.mark.parametrize(
    ("news", "signal"),
    [
        (News(is_due=True, has_jobs=False, outbox_waits=False, change_mark=7), "work_due"),
        (News(is_due=False, has_jobs=True, outbox_waits=False, change_mark=7), "job_created"),
        (News(is_due=False, has_jobs=False, outbox_waits=True, change_mark=7), "outbox_filled"),
        (News(is_due=False, has_jobs=False, outbox_waits=False, change_mark=8), "changes_found"),
        # after a failover or a restore, marks may go back
        (News(is_due=False, has_jobs=False, outbox_waits=False, change_mark=6), "changes_found"),
    ],
)
async def test_each_kind_of_news_wakes_its_loop(world, news, signal) -> None:
    assert await world.after(news) == [signal]


async def test_without_news_nothing_is_woken(world) -> None:
    assert await world.after(NOTHING) == []


async def test_a_change_is_told_once(world) -> None:
    changed = News(is_due=False, has_jobs=False, outbox_waits=False, change_mark=9)
    assert await world.after(changed) == ["changes_found"]
    assert await world.after(changed) == []


@pytest.mark.parametrize("error", [Unavailable("away"), RuntimeError("a fault of ours")])
async def test_an_error_does_not_end_it(world, error) -> None:
    assert await world.after(error) == []
    due = News(is_due=True, has_jobs=False, outbox_waits=False, change_mark=7)
    assert await world.after(due) == ["work_due"]
