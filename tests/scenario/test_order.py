"""An ordered webhook on three nodes with one PostgreSQL database, seen by the receiver."""

import asyncio
from collections import defaultdict

import pytest
from tests.receiver import Answer

KEYS = "k1:" + "A" * 43 + "="
ORDERS = 6
EVENTS = 240

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    # The test names its database itself, so that it does not run twice.
    pytest.mark.parametrize("adapter", ["sqlite"], scope="session"),
]


async def test_three_nodes_keep_each_order_though_one_is_killed(
    postgres_url, make_server, receiver
) -> None:
    """Every event goes to another node than the one before it, once that has answered.

    Some attempts fail, and one node is killed. What it had leased waits until its leases end, so
    of the orders until then only the beginning may arrive. Nothing may arrive in place of the rest,
    and the orders that begin after that arrive whole.
    """
    nodes = await asyncio.gather(
        *(
            make_server(
                DATABASE_URL=postgres_url, ENCRYPTION_KEYS=KEYS, RETRY_SCHEDULE="0.2,0.2,0.2"
            )
            for _ in range(3)
        )
    )
    hook = await nodes[0].webhook(receiver.url, ordered="data.id")
    assert hook["ordered"] == "data.id"
    arrived: dict[int, list[int]] = defaultdict(list)
    tried: set[int] = set()

    def answer(request) -> Answer:
        data = request.json["data"]
        if data["n"] % 7 == 0 and data["n"] not in tried:
            tried.add(data["n"])
            return Answer(503)
        if data["n"] not in arrived[data["id"]]:
            arrived[data["id"]].append(data["n"])
        return Answer(200)

    receiver.answer = answer
    alive = list(nodes)
    sent: dict[int, list[int]] = defaultdict(list)
    for n in range(EVENTS):
        if n == EVENTS // 2:
            await receiver.wait_for(EVENTS // 4)
            await alive.pop(1).kill()
        key = n % (ORDERS if len(alive) == len(nodes) else 2 * ORDERS)
        await alive[n % len(alive)].emit(data={"id": key, "n": n})
        sent[key].append(n)
    new = range(ORDERS, 2 * ORDERS)
    async with asyncio.timeout(30):
        while any(len(arrived[key]) < len(sent[key]) for key in new):
            await receiver.wait_for(len(receiver.requests) + 1)
    assert sum(map(len, arrived.values())) > EVENTS // 4
    for key, numbers in arrived.items():
        assert numbers == sent[key][: len(numbers)]
