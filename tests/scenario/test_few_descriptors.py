"""A node with few file descriptors: idle callers keep nobody out, and events are delivered."""

import asyncio
import sys

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIMIT = 128
"""The fewest that the budgets of a node plan with (`budgets.LEAST_DESCRIPTORS`)."""
NEW = {"Connection": "close"}
"""Makes each call on a connection of its own."""
EVENT = {"event": "contact.created", "organizationId": "org_1", "data": {"id": "contact_xyz"}}


@pytest.fixture
def program():
    return ["prlimit", f"--nofile={LIMIT}:{LIMIT}", sys.executable, "-m", "winnerr_webhooks"]


@pytest.mark.parametrize("adapter", ["sqlite"], scope="session")
@pytest.mark.thorough
async def test_more_idle_callers_than_descriptors_do_no_harm(make_server, receiver):
    server = await make_server()
    await server.webhook(receiver.url)
    idle = []
    for number in range(2 * LIMIT):
        idle.append(await asyncio.open_connection("127.0.0.1", server.port))
        if number % 32 == 31:
            assert (await server.call("GET", "/healthz", headers=NEW))[0] == 200
            await server.ok("POST", "/api/v1/events", EVENT, headers=NEW)
    await receiver.wait_for(2 * LIMIT // 32)
    for _, writer in idle:
        writer.close()
