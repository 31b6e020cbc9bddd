"""Looking back over many days: what is found, and through which doors."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from winnerr_webhooks.domain.delivery import EXHAUSTED, RETRY, SUCCESS
from winnerr_webhooks.ids import Ids, delivery_id, id_floor
from winnerr_webhooks.storage.postgres.connection_opener import SCHEMA
from winnerr_webhooks.storage.postgres.postgres_session import PostgresSession, statements
from winnerr_webhooks.storage.values import DeliveryFilter, LogFilter

DAYS = 7
A_DAY = 2_000
_TABLE = re.compile(r"Scan .*\bon (attempt|delivery|event)_(\w+)")


async def _pages(look: Callable[[str | None], Awaitable[Any]]) -> list[Any]:
    """All items, page by page."""
    items: list[Any] = []
    before = None
    while True:
        page = await look(before)
        items += page.items
        before = page.next
        if before is None:
            return items


# --- found across days ----------------------------------------------------------------------------


async def _days(world, count: int, a_day: int = 3) -> list[Any]:
    """Attempts settled over some days, oldest first; every second one failed."""
    made = []
    for _ in range(count):
        await world.storage.make_partitions()
        for number in range(a_day):
            delivery = await world.leased()
            await world.settle(delivery, EXHAUSTED if number % 2 else SUCCESS)
            made.append(delivery)
            world.clock.advance(seconds=60)
        world.clock.advance(days=1)
    return made


async def test_pages_go_back_over_days_and_over_days_without_anything(world) -> None:
    webhook = await world.webhook()
    made = await _days(world, 2)
    world.clock.advance(days=30)
    made += await _days(world, 3)
    newest_first = [one.id for one in reversed(made)]

    async def log(**fields) -> list[str]:
        found = await _pages(
            lambda before: world.storage.log(
                LogFilter(organization="org_1", limit=4, before=before, **fields)
            )
        )
        return [one.delivery_id for one in found]

    async def deliveries(**fields) -> list[str]:
        found = await _pages(
            lambda before: world.storage.deliveries(
                DeliveryFilter(organization="org_1", limit=4, before=before, **fields)
            )
        )
        return [one.id for one in found]

    failed = [one.id for one in reversed(made) if made.index(one) % 3 % 2]
    assert await log() == await log(webhook=webhook.id) == await deliveries() == newest_first
    assert await log(outcome="failed") == await deliveries(status="failed") == failed
    assert await log(text="contact_xyz") == newest_first
    (state,) = await world.storage.webhook_states("org_1")
    assert state.last is not None
    assert state.last.id == (await world.delivery(made[-1])).attempts[-1].id
    world.clock.advance(days=100)
    (state,) = await world.storage.webhook_states("org_1")
    assert state.last is not None


async def test_an_id_finds_the_attempts_of_other_days_too(world) -> None:
    webhook = await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery, EXHAUSTED)
    for _ in range(9):
        world.clock.advance(days=1)
        await world.storage.make_partitions()
    await world.storage.replay("org_1", delivery.id)
    await world.settle((await world.claim())[0])
    others = await _days(world, 1)

    async def found(text: str, **fields: Any) -> list[int]:
        page = await world.storage.log(LogFilter(organization="org_1", text=text, **fields))
        assert page.next is None
        return [one.attempt for one in page.items]

    first, second = (await world.delivery(delivery)).attempts
    assert (first.attempt, second.attempt) == (1, 2)
    assert await found(delivery.id) == await found(delivery.event_id.upper()) == [2, 1]
    assert await found(delivery.id, outcome="failed") == [1]
    assert await found(delivery.id, until=first.started_at + 1) == [1]
    assert await found(delivery.id, webhook="wh_other") == []
    assert await found(first.id) == [1]
    assert await found(first.id, before=first.id) == []
    assert await found(first.id, after=first.id) == []
    assert await found(webhook.id) == [1] * len(others) + [2, 1]


async def test_bodies_of_any_bytes_are_searched(world) -> None:
    await world.webhook()
    data = '{"name":"Jörg 😀","path":"c:\\\\temp","rate":"50%_"}'.encode()
    (answer,) = await world.accept(world.event(data=data))
    body = b'<p>\xff\xfe Caf\xc3\xa9 \0 100\\% "\\u00fc"\x80</p>'
    await world.settle(answer.leased[0], RETRY, body=body, message="Größe: a\0b")

    async def is_found(text: str) -> bool:
        page = await world.storage.log(LogFilter(organization="org_1", text=text))
        return bool(page.items)

    for text in ("JÖRG", "jörg 😀", "C:\\\\TEMP", "%_", "CAFÉ", "100\\%", "Ü", "\\u00FC", "a\0B"):
        assert await is_found(text), text
    for text in ("jorg", "😁", "c:\\temp\\", "%%", "cafè", "303", "\\303", "x\0"):
        assert not await is_found(text), text


@pytest.mark.parametrize("text", ["\0", "x\0", "évt_\0", "att_" + "\0" * 26])
async def test_what_no_column_can_hold_is_not_there(world, text) -> None:
    await world.webhook()
    await world.settle(await world.leased())
    storage = world.storage
    for field in ("webhook", "event", "text"):
        page = await storage.log(LogFilter(organization="org_1", **{field: text}))
        assert page.items == []
    for field in ("webhook", "event"):
        found = await storage.deliveries(DeliveryFilter(organization="org_1", **{field: text}))
        assert found.items == []
    await storage.log(LogFilter(organization="org_1", before=text, after=text))
    await storage.deliveries(DeliveryFilter(organization="org_1", before=text))
    assert await storage.attempt("org_1", text) is None
    assert await storage.delivery("org_1", text) is None
    assert await storage.event("org_1", text) is None
    assert await storage.cancelled("org_1", text) == 0


async def test_health_is_summed_up_over_nodes(open_world, clock) -> None:
    one, other = await open_world(), await open_world()
    webhook = await one.webhook()
    for world, happened in ((one, SUCCESS), (one, EXHAUSTED), (other, SUCCESS)):
        await world.settle(await world.leased(), happened)
    (bucket,) = await one.storage.health("org_1", 0)
    assert bucket.webhook_id == webhook.id
    assert (bucket.succeeded, bucket.failed, bucket.exhausted) == (2, 1, 1)
    assert await one.storage.health("org_1", clock.ms + 1) == []


# --- plans ----------------------------------------------------------------------------------------


@pytest.fixture
async def history(node, world, clock) -> Any:
    """Some days with a partition each, half of them without statistics."""
    webhooks = [await world.webhook() for _ in range(5)]
    for day in range(DAYS):
        await node.make_partitions()
        ids = Ids(clock)
        events, deliveries, attempts = [], [], []
        for number in range(A_DAY):
            clock.advance(seconds=20)
            at, place = clock.ms, number % 5
            webhook, failed = webhooks[place].id, number % 10 == 0
            event_id = ids.new("evt")
            sent = delivery_id(event_id, place + 1)
            name, word = "contact.created", "failed" if failed else "succeeded"
            events.append((event_id, "org_1", name, None, at, b'{"data":{"name":"Jane"}}'))
            status = "failed" if failed else "delivered"
            deliveries.append(("org_1", sent, webhook, name, status, False, 1, 1, at, at))
            attempts.append(
                (ids.new("att"), "org_1", webhook, sent, name, 1, "automatic", word, at, 12.5)
                + (None, None, None, 6.9, False, 503 if failed else 200, "OK")
                + (("status", "503", "", "") if failed else (None, "", "", ""))
                + (False, "https://hooks.example.com/crm", b"POST /", b"a: b", b"ok")
            )
        clock.advance(days=1, seconds=-20 * A_DAY)

        async def fill(db: PostgresSession, rows=(events, deliveries, attempts)) -> None:
            for table, records in zip(("event", "delivery", "attempt"), rows, strict=True):
                await db.connection.copy_records_to_table(
                    table, records=records, schema_name=SCHEMA
                )

        slow = {"seconds": 60, "settings": "SET LOCAL statement_timeout = 0;"}
        await node._aside.transact(fill, **slow)
        if day == DAYS // 2:
            await node._aside.transact(lambda db: db.script("ANALYZE"), **slow)
    return node


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Names and plans of the statements that run from now on."""
    seen: list[tuple[str, str]] = []
    fetch = PostgresSession.fetch

    async def explained(session: PostgresSession, name: str, /, *arrays: Any, **values: Any) -> Any:
        text, names = statements()[name]
        lines = await session.connection.fetch(
            f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {text}",
            *arrays,
            *[values[name] for name in names],
        )
        seen.append((name, "\n".join(line[0] for line in lines)))
        return await fetch(session, name, *arrays, **values)

    monkeypatch.setattr(PostgresSession, "fetch", explained)
    return seen


def _partitions(plan: str) -> set[str]:
    """The days that were looked into."""
    lines = [line for line in plan.splitlines() if "never executed" not in line]
    return {found[2] for line in lines if (found := _TABLE.search(line))}


def _check(plans: list[tuple[str, str]]) -> None:
    assert plans
    for name, plan in plans:
        for bad in ("Seq Scan", "Bitmap", "Hash Join", "Merge Join"):
            assert bad not in plan, (name, plan)
        if name.startswith("walk") and name != "walk_event":
            assert "Sort (" not in plan, (name, plan)
        if name.startswith("matching"):
            continue  # that is what it is for
        for removed in re.findall(r"Rows Removed by Filter: (\d+)", plan):
            assert int(removed) <= 20, (name, plan)


LOOKS: list[dict[str, Any]] = [
    {},
    {"limit": 500},
    {"outcome": "failed"},
    {"webhook": True},
    {"webhook": True, "outcome": "failed"},
    {"text": "JANE"},
    {"text": "nobody ü"},
    {"status": (503, 503)},
    {"event": "contact.*"},
    {"back": 3},
    {"back": 3, "outcome": "failed"},
    {"back": 3, "webhook": True},
]


async def test_pages_of_the_log_are_read_through_indexes_in_order(history, plans, clock) -> None:
    (webhook, *_) = await history.webhooks("org_1")
    for look in LOOKS:  # one after another: the history takes long to write
        fields = dict(look)
        if fields.pop("webhook", False):
            fields["webhook"] = webhook.id
        if days := fields.pop("back", 0):
            fields["before"] = id_floor("att", clock.ms - days * 86_400_000)
        plans.clear()
        page = await history.log(LogFilter(organization="org_1", **fields))
        assert bool(page.items) != (fields.get("text") == "nobody ü"), look
        _check(plans)
        for name, plan in plans:
            if name == "attempt_page" and len(page.items) <= 50:
                assert len(_partitions(plan)) <= 2, (look, plan)


async def test_other_reads_of_the_log_go_through_indexes_too(history, plans) -> None:
    webhook = (await history.webhooks("org_1"))[0].id
    (newest,) = (await history.log(LogFilter(organization="org_1", limit=1))).items
    for status in (None, "failed", "pending", "cancelled"):
        for one in (None, webhook):
            await history.deliveries(
                DeliveryFilter(organization="org_1", status=status, webhook=one)
            )
    for id_ in (newest.id, newest.delivery_id, newest.event_id):
        page = await history.log(LogFilter(organization="org_1", text=id_))
        assert [one.id for one in page.items] == [newest.id]
    assert await history.attempt("org_1", newest.id)
    assert await history.delivery("org_1", newest.delivery_id)
    assert await history.event("org_1", newest.event_id)
    states = await history.webhook_states("org_1")
    assert all(state.last for state in states)
    await history.health("org_1", 0)
    _check(plans)
    for name, plan in plans:
        if name in {"attempts_of_delivery", "deliveries_of_event"}:
            assert len(_partitions(plan) - {"default"}) <= 9, plan
