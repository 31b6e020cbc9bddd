"""Events emitted in the product's own transactions, from the commit to the receiver."""

import asyncio
import json

import asyncpg
import pytest
import pytest_asyncio
from tests.server import PAUSE

from winnerr_webhooks.pipeline.outbox_mover import POLL

pytestmark = pytest.mark.asyncio(loop_scope="session")
EMIT = "SELECT winnerr_webhooks.emit($1, $2, $3, $4)"

on_postgres = pytest.mark.parametrize("adapter", ["postgres"], scope="session")
on_sqlite = pytest.mark.parametrize("adapter", ["sqlite"], scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def product(server):
    connection = await asyncpg.connect(server.settings["DATABASE_URL"])
    yield connection
    await connection.close()


async def figure(server, name: str) -> float:
    async with server.session.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    (value,) = [line.split()[1] for line in lines if line.startswith(f"winnerr_webhooks_{name} ")]
    return float(value)


@on_postgres
async def test_a_committed_event_is_delivered_within_a_second_and_a_rolled_back_one_never(
    server, receiver, product
) -> None:
    await server.webhook(receiver.url)
    transaction = product.transaction()
    await transaction.start()
    await product.fetchval(EMIT, "deal.created", server.organization, '{"n": 0}', None)
    await transaction.rollback()
    waits = []
    for number in range(1, 6):
        async with product.transaction():
            data = f'{{"n": {number}, "price": 10.00}}'
            await product.fetchval(EMIT, "deal.created", server.organization, data, None)
        committed_at = asyncio.get_running_loop().time()
        request = (await receiver.wait_for(number))[-1]
        waits.append(request.at - committed_at)
    *others, longest = sorted(waits)
    assert max(others) < 1.0
    assert longest < POLL  # a busy machine may pause once, but each commit was told of
    assert request.body.endswith(b'"data":{"n":5,"price":10.00}}')
    assert [request.json["data"]["n"] for request in receiver.requests] == [1, 2, 3, 4, 5]


@on_postgres
async def test_an_id_that_the_api_accepted_is_not_accepted_again(server, receiver, product) -> None:
    await server.webhook(receiver.url)
    await server.emit("deal.created", data={"n": 1}, id="crm-1")
    await product.fetchval(EMIT, "deal.created", server.organization, '{"n": 1}', "crm-1")
    await product.fetchval(EMIT, "deal.created", server.organization, '{"n": 2}', "crm-2")
    await receiver.wait_for(2)
    again = await server.emit("deal.created", data={"n": 2}, id="crm-2")
    assert again["duplicate"] is True
    assert sorted(request.json["data"]["n"] for request in receiver.requests) == [1, 2]


@on_postgres
async def test_a_flood_of_one_organization_delays_no_other(server, receiver, product) -> None:
    await server.webhook(receiver.url)
    await product.execute(
        "SELECT winnerr_webhooks.emit('contact.created', 'org_flood', '{}') "
        "FROM generate_series(1, 5000)"
    )
    await product.fetchval(EMIT, "deal.created", server.organization, '{"n": 1}', None)
    await receiver.wait_for(1)
    left = await product.fetchval(
        "SELECT count(*) FROM winnerr_webhooks.outbox WHERE organization = 'org_flood'"
    )
    assert left > 2500, f"it came when most of the flood was over: {left} of 5,000 were left"


@on_postgres
async def test_refused_events_are_listed_counted_and_tried_again(server, product) -> None:
    organization = server.organization
    await product.fetchval(EMIT, "deal.creatd", organization, '{"n": 1}', "crm-\x1b[31m-ö")
    await product.fetchval(EMIT, "deal.created", organization, "[]", "crm-8842")
    async with asyncio.timeout(60):
        while await figure(server, "outbox_waiting") or await figure(server, "outbox_refused") < 2:
            await asyncio.sleep(PAUSE)
    code, out, err = await server.command(
        "outbox", "list", "--refused", "--organization", organization
    )
    assert code == 0, err
    head, first, second = out.splitlines()
    assert head.split() == ["ID", "EVENT", "ORGANIZATION", "EMITTED", "REFUSED", "BECAUSE"]
    assert first.startswith("crm-\N{REPLACEMENT CHARACTER}[31m-ö  deal.creatd   " + organization)
    assert "Did you mean deal.created?" in first
    assert "`data` must be a JSON object." in second
    code, out, err = await server.command(
        "outbox", "list", "--limit", "1", "--organization", organization
    )
    assert len(out.splitlines()) == 2
    assert "these are the oldest 1" in err

    assert (await server.command("outbox", "retry"))[0] == 2
    assert (await server.command("outbox", "retry", "crm-8842", "--all"))[0] == 2
    code, _, err = await server.command("outbox", "retry", "unknown")
    assert (code, "No refused event has the id unknown" in err) == (1, True)
    await product.execute(
        "UPDATE winnerr_webhooks.outbox SET data = '{\"n\": 2}', size = 8 WHERE id = 'crm-8842'"
    )
    code, _, err = await server.command("outbox", "retry", "crm-8842")
    assert (code, err.strip()) == (0, "1 refused event waits again.")
    async with asyncio.timeout(60):
        while await figure(server, "outbox_refused") != 1:
            await asyncio.sleep(PAUSE)
    code, _, err = await server.command("outbox", "retry", "--all", "--organization", organization)
    assert (code, err.strip()) == (0, "1 refused event waits again.")
    body = await product.fetchval(
        "SELECT body FROM winnerr_webhooks.event WHERE organization = $1", organization
    )
    assert json.loads(body)["data"] == {"n": 2}


@on_sqlite
@pytest.mark.parametrize("words", [("list",), ("retry", "--all")])
async def test_on_sqlite_the_commands_say_what_the_outbox_needs(server, words) -> None:
    code, _, err = await server.command("outbox", *words)
    assert code == 78
    assert "The outbox needs PostgreSQL" in err
    assert await figure(server, "outbox_waiting") == 0
