"""A machine with a wrong clock, which libfaketime sets for one process."""

import asyncio
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVE = [sys.executable, "-m", "winnerr_webhooks"]


@pytest.fixture(scope="module")
def day_ahead() -> list[str]:
    """The prefix of a command that sets its clock a day ahead."""
    for library in Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"):
        return [
            "env",
            f"LD_PRELOAD={library}",
            "FAKETIME=+1d",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
            "FAKETIME_DISABLE_SHM=1",
            *SERVE,
        ]
    pytest.skip("needs libfaketime, to set a clock for one process")


async def test_a_delivery_scheduled_by_a_clock_a_day_ahead_does_not_wait_a_day(
    make_server, receiver, answer, day_ahead
):
    server = await make_server()
    await server.terminate()
    server.program = day_ahead
    await server.start()
    receiver.answer = lambda _request: answer(hang=True)
    await server.webhook(receiver.url)
    await server.emit()
    await receiver.wait_for(1)
    await server.kill()
    server.program = SERVE
    receiver.answer = lambda _request: answer()
    await server.start()
    await receiver.wait_for(2)
    async with server.session.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    (age,) = [line for line in lines if line.startswith("winnerr_webhooks_oldest_pending_age")]
    assert float(age.split()[1]) >= 0


async def test_a_node_whose_clock_is_not_the_databases_warns(make_server, postgres_url, day_ahead):
    server = await make_server()
    await server.terminate()
    server.program = day_ahead
    server.settings |= {
        "DATABASE_URL": postgres_url,
        "ENCRYPTION_KEYS": "k1:" + "A" * 43 + "=",
    }
    server.key = "unused"
    server.log.clear()
    await server.start()
    async with asyncio.timeout(60), server.session.get("/readyz") as response:
        assert response.status == 200
    assert await server.terminate() == 0
    (line,) = [line for line in server.log if "clock is not the database's" in line]
    assert '"level": "warning"' in line
