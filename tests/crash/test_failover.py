"""A primary is lost for good: its standby is promoted late, and the nodes find it."""

import asyncio
import itertools
from collections import Counter

import pytest
import pytest_asyncio
from tests import postgres_binaries
from tests.crash.cluster import KEYS
from tests.loss import IN_TIME
from tests.standby import promote, standby_of, wait_for_standby

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATIENCE = 60.0
CALLERS = 4
LATE = 3.0
"""Seconds of refusals before the standby is promoted: no node may give up meanwhile."""


class Load:
    """Callers that send one event after the other, each once, and record the answers."""

    def __init__(self, server) -> None:
        self.server = server
        self.accepted: dict[str, str] = {}
        """The event's id by the caller's."""
        self.refused: dict[str, str] = {}
        """The kind of problem in the answer."""
        self.refused_at: list[float] = []
        self.slowest = 0.0
        self.answered = asyncio.Condition()
        self._numbers = itertools.count()
        self._tasks = [asyncio.create_task(self._call()) for _ in range(CALLERS)]

    async def _call(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            id_ = f"crm-{next(self._numbers)}"
            began = loop.time()
            event = {"event": "contact.created", "organizationId": "org_1", "data": {"n": id_}}
            status, answer = await self.server.call("POST", "/api/v1/events", event | {"id": id_})
            self.slowest = max(self.slowest, loop.time() - began)
            if status == 202:
                self.accepted[id_] = answer["id"]
            else:
                assert status == 503, answer
                self.refused[id_] = answer["type"].rpartition("#")[2]
                self.refused_at.append(loop.time())
            async with self.answered:
                self.answered.notify_all()

    async def until(self, true) -> None:
        """Wait until `true` holds; it is checked at every answer."""
        async with self.answered, asyncio.timeout(PATIENCE):
            await self.answered.wait_for(true)

    async def more(self, count: int) -> None:
        """Wait until `count` more are accepted."""
        goal = len(self.accepted) + count
        await self.until(lambda: len(self.accepted) >= goal)

    async def some_fail_for(self, seconds: float) -> None:
        """Wait until there have been refusals for that long."""
        await self.until(
            lambda: self.refused_at and self.refused_at[-1] - self.refused_at[0] > seconds
        )

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def stored(server, name: str) -> dict[str, str]:
    """Events by the ids their callers gave them."""
    async with server.admin(name) as admin:
        sql = "SELECT client_id, id FROM winnerr_webhooks.event"
        return dict(await admin.fetch(sql))


@pytest_asyncio.fixture(loop_scope="session")
async def pair(make_postgres):
    """A primary, and the standby that its commits wait for."""
    settings = {"wal_level": "replica", "max_wal_senders": "5"}
    primary = await asyncio.to_thread(make_postgres, settings=settings)
    try:
        standby = await asyncio.to_thread(standby_of, primary)
    except postgres_binaries.Missing as error:
        pytest.skip(str(error))
    yield primary, standby
    await asyncio.to_thread(standby.close)


@pytest.mark.thorough
async def test_a_standby_promoted_late_has_all_that_was_answered(
    pair, make_server, receiver
) -> None:
    """Calls are refused within 2 s meanwhile, and the node recovers by itself."""
    primary, standby = pair
    name = await primary.create_database()
    await wait_for_standby(primary)
    url = primary.url(name).replace(
        f":{primary.port}/", f":{primary.port},127.0.0.1:{standby.port}/"
    )
    server = await make_server(DATABASE_URL=url, ENCRYPTION_KEYS=KEYS, RETRY_SCHEDULE="1,1,1")
    await server.webhook(receiver.url)
    load = Load(server)
    await load.more(100)
    await asyncio.to_thread(primary.stop, "immediate")
    await load.some_fail_for(LATE)
    await promote(standby)
    await load.more(100)
    await load.stop()

    found = await stored(standby, name)
    assert load.accepted.items() <= found.items()
    certain = {id_ for id_, problem in load.refused.items() if problem == "unavailable"}
    assert not certain & found.keys()
    assert set(load.refused.values()) <= {"unavailable", "uncertain"}
    assert load.slowest < IN_TIME
    async with asyncio.timeout(PATIENCE):
        while not load.accepted.keys() <= {
            request.json["data"]["n"] for request in receiver.requests
        }:
            await receiver.wait_for(len(receiver.requests) + 1)
    print(Counter(load.refused.values()), len(load.accepted), load.slowest)
    assert await server.terminate() == 0
