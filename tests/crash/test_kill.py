"""`kill -9` at random moments: everything answered 202 arrives, and every repeat has a reason."""

import asyncio
import random
import sqlite3
from collections import Counter, defaultdict

import aiohttp
import pytest

RATE = 200


@pytest.mark.parametrize("kills", [5, pytest.param(20, marks=pytest.mark.chaos)])
@pytest.mark.timeout(300)
async def test_nothing_answered_202_is_lost_by_kill_9(kills, make_server, receiver) -> None:
    """Every 202 is delivered at least once and in the log; duplicates lie across a kill only."""
    server = await make_server()
    await server.webhook(receiver.url, secret="crash test secret")
    loop = asyncio.get_running_loop()
    accepted: set[str] = set()
    killed_at: list[float] = []
    done = asyncio.Event()

    async def one(number: int) -> None:
        """Repeat one event with its id until it is answered, as an emitter would."""
        event = {
            "event": "deal.stage_changed",
            "organizationId": "org_1",
            "data": {"n": number},
            "id": f"crm-{number}",
        }
        while True:
            try:
                status, reply = await server.call("POST", "/api/v1/events", event)
            except (aiohttp.ClientError, OSError):
                await asyncio.wait([asyncio.ensure_future(done.wait())], timeout=0.05)
                continue
            assert status in (202, 503), reply
            if status == 202:
                accepted.add(reply["id"])
                return

    async def load() -> None:
        number = 0
        started = loop.time()
        tasks = set()
        while not done.is_set():
            number += 1
            tasks.add(loop.create_task(one(number)))
            due = started + number / RATE
            if due > loop.time():
                await asyncio.wait([asyncio.ensure_future(done.wait())], timeout=due - loop.time())
        await asyncio.gather(*tasks)

    loading = loop.create_task(load())
    rng = random.Random(kills)
    for _ in range(kills):
        before = len(accepted)
        wanted = before + rng.randrange(20, 160)
        while len(accepted) < wanted:
            await receiver.wait_for(len(receiver.requests) + 1)
        killed_at.append(loop.time())
        await server.kill()
        await server.start()
    done.set()
    await loading

    await server.until("/metrics", lambda text: b"winnerr_webhooks_pending 0.0" in text)
    got: dict[str, list[float]] = defaultdict(list)
    for request in receiver.requests:
        got[request["webhook-id"]].append(request.at)
    assert accepted <= set(got), f"{len(accepted - set(got))} of {len(accepted)} lost"

    repeats = {event: times for event, times in got.items() if len(times) > 1}
    for times in repeats.values():
        for first, second in zip(times, times[1:], strict=False):
            assert any(first - 0.5 <= kill <= second for kill in killed_at), (times, killed_at)

    logged = Counter()
    path = "~/logs?limit=500"
    page = await server.ok("GET", path)
    while True:
        logged.update(a["eventId"] for a in page["items"] if a["outcome"] == "succeeded")
        if page["next"] is None:
            break
        page = await server.ok("GET", f"{path}&before={page['next']}")
    assert accepted <= set(logged)

    assert await server.terminate() == 0
    file = sqlite3.connect(server.folder / "test.db")
    assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    file.close()
    print(f"{kills} kills, {len(accepted)} accepted, {len(repeats)} repeated, 0 lost")
