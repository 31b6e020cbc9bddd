"""The outbox mover: committed events reach the intake once, in order, with two nodes at once."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import asyncpg
import pytest

from winnerr_webhooks.budgets import Budgets, derive
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import Config, EncryptionKey
from winnerr_webhooks.crypto import Keyring
from winnerr_webhooks.domain.catalog import REJECT, Catalog, EventType
from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.domain.errors import FieldError, TimedOut, Unavailable
from winnerr_webhooks.domain.event import Accepted
from winnerr_webhooks.ids import Ids, Jitter
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.pipeline.node import Node
from winnerr_webhooks.storage.postgres import PostgresStorage, postgres_outbox

PATIENCE = 60.0
EMIT = "SELECT winnerr_webhooks.emit($1, $2, $3, $4)"


class Mover:
    """A node that only accepts, on a real PostgreSQL. It moves events when a test says so."""

    def __init__(self, storage: PostgresStorage, *, rows: int, catalog: Catalog = CATALOG) -> None:
        clock = SystemClock()
        config = Config(role="api", database_url="postgresql://x/y")
        bounds = derive(config, 1_000)
        bounds = bounds._replace(accept_rows=bounds.accept_rows._replace(limit=rows))
        self.storage = storage
        self.metrics = Metrics()
        self.node = Node(
            config,
            storage,
            None,  # type: ignore[arg-type]  # it makes no attempts
            catalog=catalog,
            branding=Config().branding,
            clock=clock,
            ids=Ids(clock),
            jitter=Jitter(1),
            metrics=self.metrics,
            budgets=Budgets(bounds, clock),
        )
        assert self.node._outbox_mover is not None
        self.mover = self.node._outbox_mover

    async def move_all(self) -> None:
        while await self.mover.move_some():
            pass

    async def refused(self) -> dict[str, str | None]:
        entries = await self.storage.outbox.entries(refused=True, organization=None, limit=100)
        return {entry.client_id: entry.reason for entry in entries}

    async def left(self) -> int:
        return len(await self.storage.outbox.entries(refused=False, organization=None, limit=9999))


Make = Callable[..., Awaitable[Mover]]


@pytest.fixture
async def make_mover(postgres_url: str) -> AsyncIterator[Make]:
    made: list[PostgresStorage] = []

    async def make(
        *, rows: int = 4_096, url: str = postgres_url, catalog: Catalog = CATALOG
    ) -> Mover:
        made.append(
            await PostgresStorage.open(
                url,
                clock=SystemClock(),
                keyring=Keyring((EncryptionKey("k1", bytes(range(32))),)),
                serves=True,
            )
        )
        return Mover(made[-1], rows=rows, catalog=catalog)

    yield make
    for storage in made:
        await storage.close()


@pytest.fixture
async def mover(make_mover: Make) -> Mover:
    return await make_mover()


@pytest.fixture
async def product(mover: Mover, postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


async def emit(product: Any, number: int, **fields: Any) -> str:
    values = {"event": "contact.created", "organization": "org_1", "id": None} | fields
    data = values.get("data", json.dumps({"n": number}))
    return str(
        await product.fetchval(EMIT, values["event"], values["organization"], data, values["id"])
    )


async def accepted(product: Any) -> list[Any]:
    """Every event that was accepted, in the order of their ids: organization, number, body."""
    rows = await product.fetch("SELECT organization, body FROM winnerr_webhooks.event ORDER BY id")
    return [(row[0], json.loads(row[1])["data"].get("n"), row[1]) for row in rows]


async def test_events_are_accepted_by_the_rules_of_the_api(mover, product) -> None:
    data = '{"b" : 1.0, "a": 12345678901234567890, "z": "\\u00e9"}'
    await emit(product, 1, data=data, id="crm-1")
    await mover.move_all()
    ((_, _, body),) = await accepted(product)
    assert body.startswith(b'{"event":"contact.created","timestamp":"20')
    assert body.endswith(b'"data":{"b":1.0,"a":12345678901234567890,"z":"\\u00e9"}}')
    assert await mover.left() == 0


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"event": "contact.create"}, "Did you mean contact.created"),
        ({"event": None}, "Send the event's name as a string"),
        ({"organization": "org 1"}, "An organization id is a string of 1 to 64"),
        ({"organization": None}, "An organization id is a string of 1 to 64"),
        ({"data": None}, "`data` must be a JSON object."),
        ({"data": "[1]"}, "`data` must be a JSON object."),
        ({"data": '{"a": "\\ud800"}'}, "A lone surrogate"),
        ({"data": '{"a":' * 65 + "1" + "}" * 65}, "nested too deeply"),
        ({"data": '{"a": "' + "x" * 262_200 + '"}'}, "An event has at most 262,144 bytes"),
        ({"id": "ö"}, "An id is a string of 1 to 255 printable ASCII characters."),
        ({"id": "x" * 300}, "An id is a string of 1 to 255 printable ASCII characters."),
        ({"event": "x", "organization": ""}, "/event: There is no event 'x'."),
    ],
)
async def test_what_breaks_a_rule_stays_visible_and_holds_up_nothing(
    mover, product, fields, reason
) -> None:
    await emit(product, 1, **({"id": "wrong"} | fields))
    await emit(product, 2, id="right", organization=fields.get("organization") or "org_1")
    await emit(product, 3, id="of another organization", organization="org_2")
    await mover.move_all()
    assert 3 in {number for _, number, _ in await accepted(product)}
    refused = await mover.refused()
    refused.pop("right", None)  # of an organization that cannot be
    (stated,) = refused.values()
    assert reason in str(stated)
    assert b"winnerr_webhooks_events_refused_total" in mover.metrics.render()


async def test_data_that_a_schema_does_not_allow_stay_visible(make_mover, product) -> None:
    def check(data: bytes) -> tuple[FieldError, ...]:
        return () if b"1" in data else (FieldError("/data/n", "This has to be 1."),)

    own = EventType(name="contact.created", category="x", description="x", example=b'{"n":1}')
    catalog = Catalog((own,), {"contact.created": check}, data_rule=REJECT)
    mover = await make_mover(catalog=catalog)
    await emit(product, 1, id="right")
    await emit(product, 2, id="wrong")
    await mover.move_all()
    assert await mover.refused() == {"wrong": "This has to be 1."}
    assert [number for _, number, _ in await accepted(product)] == [1]


async def test_an_id_is_accepted_once_however_it_comes(mover, product) -> None:
    """By the API and by the outbox; written by another encoder; with other data."""
    await emit(product, 1, id="crm-1")
    await mover.move_all()
    await emit(product, 1, id="crm-1", data='{ "\\u006e": 1.0 }')
    await emit(product, 2, id="crm-1", data='{"n": 2}')
    await emit(product, 1, id="crm-1", organization="org_2")
    await mover.move_all()
    assert [row[:2] for row in await accepted(product)] == [("org_1", 1), ("org_2", 1)]
    refused = await mover.refused()
    assert list(refused) == ["crm-1"]
    assert "accepted before with another event" in str(refused["crm-1"])


async def test_an_event_whose_node_died_before_it_left_the_outbox_is_not_accepted_twice(
    mover, product, monkeypatch
) -> None:
    for number in range(5):
        await emit(product, number)

    async def die(*_: Any) -> None:
        raise Unavailable("the node died here")

    with monkeypatch.context() as patch:
        patch.setattr(mover.storage.outbox, "settle", die)
        with pytest.raises(Unavailable):
            await mover.mover.move_some()
    assert await mover.left() == 5
    await mover.move_all()
    assert await mover.left() == 0
    assert [number for _, number, _ in await accepted(product)] == [0, 1, 2, 3, 4]


async def test_later_events_wait_for_one_that_cannot_be_stored_now_and_others_do_not(
    mover, product, monkeypatch
) -> None:
    """Of its own organization, that is."""
    for number in range(6):
        await emit(product, number, organization=f"org_{number % 2}")
    accept = mover.storage.accept

    async def accept_but_one(events: Any, *rest: Any, **options: Any) -> list[Accepted]:
        if any(b'"n": 2' in event.body or b'"n":2' in event.body for event in events):
            raise TimedOut("something has locked what this needs")
        return await accept(events, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(mover.storage, "accept", accept_but_one)
        await mover.mover.move_some()
        assert {number for _, number, _ in await accepted(product)} == {0, 1, 3, 5}
        assert await mover.mover.move_some() == 0  # it is left alone for a second
    mover.mover._left_alone.clear()
    await mover.move_all()
    numbers = [number for _, number, _ in await accepted(product)]
    assert [number for number in numbers if number % 2 == 0] == [0, 2, 4]


class Emitted(NamedTuple):
    organization: str
    number: int
    called_at: float
    committed_at: float


class Product:
    """Sessions of the product that emit at once; some transactions are rolled back."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.rng = random.Random(15)
        self.committed: list[Emitted] = []
        self.wrong = 0

    async def session(self, number: int, count: int) -> None:
        loop = asyncio.get_running_loop()
        connection = await asyncpg.connect(self.url)
        try:
            for turn in range(count):
                organization = f"org_{self.rng.randrange(3)}"
                transaction = connection.transaction()
                await transaction.start()
                emitted = []
                for part in range(self.rng.randrange(1, 4)):
                    called_at = loop.time()
                    n = number * 10_000 + turn * 10 + part
                    await emit(connection, n, organization=organization)
                    emitted.append((organization, n, called_at))
                if self.rng.random() < 0.1:
                    self.wrong += 1
                    await emit(connection, -1, organization=organization, event="no.such_event")
                if self.rng.random() < 0.2:
                    await transaction.rollback()
                else:
                    await transaction.commit()
                    self.committed += [Emitted(*one, loop.time()) for one in emitted]
        finally:
            await connection.close()

    def overtakings(self, accepted_at: dict[int, Any]) -> list[tuple[int, int]]:
        """Pairs of one organization: the second was emitted after the first had committed."""
        return [
            (one.number, other.number)
            for one in self.committed
            for other in self.committed
            if one.organization == other.organization
            and one.committed_at < other.called_at
            and accepted_at[one.number] > accepted_at[other.number]
        ]


@pytest.fixture(scope="module")
def dated_server(make_postgres: Any) -> Any:
    """A server that knows when transactions were committed."""
    return make_postgres(settings={"track_commit_timestamp": "on"})


async def test_with_two_nodes_at_once_nothing_is_overtaken_lost_or_doubled(
    dated_server, make_mover, monkeypatch
) -> None:
    """Both always have the turn, read a few rows at a time, and store them in small commits."""
    monkeypatch.setattr(postgres_outbox, "TURN_MS", -1_000_000)
    monkeypatch.setattr(postgres_outbox, "OF_EACH", 7)
    url = dated_server.url(await dated_server.create_database())
    movers = [await make_mover(rows=20, url=url) for _ in range(2)]
    product = Product(url)
    done = asyncio.Event()

    async def keep_moving(mover: Mover) -> None:
        while await mover.mover.move_some() or not done.is_set():
            await asyncio.sleep(0)

    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
        for mover in movers:
            tasks.create_task(keep_moving(mover))
        sessions = [tasks.create_task(product.session(number, 30)) for number in range(6)]
        await asyncio.wait(sessions)
        done.set()

    reader = await asyncpg.connect(url)
    rows = await reader.fetch(
        "SELECT body, pg_xact_commit_timestamp(xmin) AS at FROM winnerr_webhooks.event"
    )
    await reader.close()
    accepted_at = {json.loads(row["body"])["data"]["n"]: row["at"] for row in rows}
    assert len(rows) == len(accepted_at) == len(product.committed)
    assert accepted_at.keys() == {one.number for one in product.committed}
    assert product.overtakings(accepted_at) == []
    assert 0 < await movers[0].left() <= product.wrong  # those of transactions that committed


async def test_a_stop_lets_what_is_being_moved_finish(make_mover, product) -> None:
    mover = await make_mover()
    for number in range(20):
        await emit(product, number)
    await mover.node.start()
    async with asyncio.timeout(PATIENCE):
        while not await accepted(product):
            pass
        await mover.node.stop()
    assert await mover.left() == 0
    assert [number for _, number, _ in await accepted(product)] == list(range(20))
