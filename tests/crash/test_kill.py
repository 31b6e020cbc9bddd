"""`kill -9` at random moments: everything answered 202 arrives, and every repeat has a reason."""

import asyncio
import random
import sqlite3
from collections import defaultdict
from itertools import pairwise

import aiohttp
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

RATE = 200


class Emitter:
    """Sends events at a steady rate, repeating each with its id until it is answered."""

    def __init__(self, server) -> None:
        self.accepted: set[str] = set()
        self._server = server
        self._done = asyncio.Event()
        self._loading = asyncio.create_task(self._load())

    async def finish(self) -> None:
        self._done.set()
        await self._loading

    async def _load(self) -> None:
        loop = asyncio.get_running_loop()
        started, number, tasks = loop.time(), 0, set()
        while not self._done.is_set():
            number += 1
            tasks.add(loop.create_task(self._one(number)))
            await self._pause(started + number / RATE - loop.time())
        await asyncio.gather(*tasks)

    async def _one(self, number: int) -> None:
        event = {
            "event": "deal.stage_changed",
            "organizationId": "org_1",
            "data": {"n": number},
            "id": f"crm-{number}",
        }
        while True:
            try:
                status, reply = await self._server.call("POST", "/api/v1/events", event)
            except (aiohttp.ClientError, OSError):
                await self._pause(0.25)
                continue
            assert status in (202, 503), reply
            if status == 202:
                self.accepted.add(reply["id"])
                return

    async def _pause(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        tick = loop.create_future()
        loop.call_later(max(seconds, 0), tick.set_result, None)
        await tick


async def kill_at_random_moments(
    server, receiver, emitter, kills: int
) -> list[tuple[float, float]]:
    """Kill and restart once a random number of further events was accepted; from when to when."""
    rng = random.Random(kills)
    gaps = []
    for _ in range(kills):
        wanted = len(emitter.accepted) + rng.randrange(20, 160)
        while len(emitter.accepted) < wanted:
            await receiver.wait_for(len(receiver.requests) + 1)
        killed = asyncio.get_running_loop().time()
        await server.kill()
        await server.start()
        gaps.append((killed, asyncio.get_running_loop().time()))
    return gaps


async def events_in_the_log(server) -> set[str]:
    """Every event with a successful attempt, page by page."""
    logged: set[str] = set()
    path = "~/logs?outcome=succeeded&limit=500"
    page = await server.ok("GET", path)
    while True:
        logged.update(attempt["eventId"] for attempt in page["items"])
        if page["next"] is None:
            return logged
        page = await server.ok("GET", f"{path}&before={page['next']}")


@pytest.mark.parametrize("kills", [5, pytest.param(20, marks=pytest.mark.chaos)])
@pytest.mark.timeout(300)
async def test_nothing_answered_202_is_lost_by_kill_9(kills, make_server, receiver) -> None:
    """Every 202 is delivered at least once and is in the log; duplicates lie across a kill only."""
    server = await make_server(DELIVERY_TIMEOUT="20")
    await server.webhook(receiver.url, secret="crash test secret")
    emitter = Emitter(server)
    gaps = await kill_at_random_moments(server, receiver, emitter, kills)
    await emitter.finish()
    accepted = emitter.accepted
    await server.until("/metrics", lambda text: b"winnerr_webhooks_pending 0.0" in text)

    got: dict[str, list[float]] = defaultdict(list)
    for request in receiver.requests:
        got[request["webhook-id"]].append(request.at)
    assert accepted <= set(got), f"{len(accepted - set(got))} of {len(accepted)} lost"
    assert accepted <= await events_in_the_log(server)
    repeats = [times for times in got.values() if len(times) > 1]
    for first, second in (pair for times in repeats for pair in pairwise(times)):
        # The dead one's last requests may be read after its death, but before its successor serves.
        assert any(first <= back and killed <= second for killed, back in gaps), (first, second)

    assert await server.terminate() == 0
    file = sqlite3.connect(server.folder / "test.db")
    assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    file.close()
    print(f"{kills} kills, {len(accepted)} accepted, {len(repeats)} repeated, none lost")
