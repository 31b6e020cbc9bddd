"""A database moved from SQLite to PostgreSQL: all of it, or nothing."""

import asyncio
from pathlib import Path

import asyncpg
import msgspec
import pytest

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.domain.alerts import OPERATIONAL_EVENTS, AlertSettings
from winnerr_webhooks.domain.credentials import BearerAuth, Credentials
from winnerr_webhooks.domain.delivery import EXHAUSTED, RETRY
from winnerr_webhooks.domain.errors import CannotStart, ConfigurationError
from winnerr_webhooks.storage import copy_to_postgres as module
from winnerr_webhooks.storage.copy_to_postgres import copy
from winnerr_webhooks.storage.failure_streak import FailureRules
from winnerr_webhooks.storage.rehearsal_port import NewRehearsal
from winnerr_webhooks.storage.sqlite import SqliteStorage
from winnerr_webhooks.storage.values import (
    ApiKey,
    DeliveryFilter,
    Grant,
    LogFilter,
    PageOptions,
    ReplayFilter,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def node_url(empty_postgres_url):
    """Nodes open what was copied into an empty database."""
    return empty_postgres_url


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "webhooks.db"


DELIVERIES = 41
over_weeks = pytest.mark.parametrize("step_seconds", [86_400])
"""For tests whose history takes a day for each delivery. Making so many days takes seconds."""


@pytest.fixture
def step_seconds() -> int:
    """How long after one delivery the next one follows; retries are due by then."""
    return 120


@pytest.fixture
async def old(path, clock, keyring, world_class, step_seconds):
    """A world on an SQLite file, of which every table has rows."""
    # A real node copies, whose clock is not moved by hand.
    clock.ms = SystemClock().now_ms() - (DELIVERIES + 20) * step_seconds * 1000
    storage = await SqliteStorage.open(
        path, clock=clock, keyring=keyring, exclusive=True, rules=FailureRules(raises_alerts=True)
    )
    world = world_class(storage, clock)
    world.signed = await world.webhook(secret=SECRET)
    world.paused = await world.webhook(
        "deal.created",
        organization="org_2",
        url="https://b.example",
        name="CRM",
        timeout=2.5,
        retry_schedule=(60.0, 0.5),
        filter='{"data":{"n":{"$ne":1.50}}}',
        rate_limit=2.5,
        order_by="data.id",
        secret="whsk_" + "A" * 43 + "=",
        credentials=Credentials({"X-Tenant": "acme"}, BearerAuth("a token")),
    )
    await storage.set_secret("org_1", world.signed.id, SECRET[::-1], 86_400 * 60)
    service = ApiKey(id="key_1", name="CR\0M", organization=None, created_at=1, revoked_at=None)
    await storage.create_key(service, b"1" * 32)
    grant = Grant(
        organization="org_1",
        role="admin",
        user="Zoë",
        expires_at=clock.ms + 10**12,
        page=PageOptions(path="/logs"),
    )
    await storage.create_link(grant, b"2" * 32)
    await storage.create_link(grant, b"3" * 32)
    await storage.consume_link(b"3" * 32, b"4" * 32, 10**8)
    alerts = AlertSettings(emails=("a@example.com",), events=OPERATIONAL_EVENTS, language="de")
    await storage.set_alert_settings("org_1", alerts)
    for number in range(DELIVERIES):
        delivery = await world.leased(client_id=f"crm-{number}", data=b'{"n":%d}' % number)
        outcome = ("success", EXHAUSTED, RETRY)[number % 3]
        await world.settle(delivery, outcome, message="no\0thing", body=bytes(range(256)))
        clock.advance(seconds=step_seconds)
    until = clock.ms - 39 * step_seconds * 1000  # one delivery has failed before
    early = ReplayFilter(organization="org_1", webhook=world.signed.id, until=until)
    await storage.recover_since(early, world.ids.new("job"), 1)
    await world.finish_jobs()
    world.rehearsal = NewRehearsal(
        id=world.ids.new("reh"),
        organization="org_1",
        webhook_id=world.signed.id,
        url="https://c.example",
        last=2,
    )
    await storage.add_rehearsal(world.rehearsal)
    world.leased_before = await world.leased()
    await storage.accept([world.event("deal.created", organization="org_2")], None)
    await world.change(world.paused, status="paused")
    assert await storage.raise_alerts(publish=True, mail=True)
    await storage.replay("org_1", delivery.id)
    await storage.replay_many(ReplayFilter(organization="org_1"), dry_run=False)
    yield world
    await storage.close()


async def moved(path: Path, url: str) -> tuple[dict[str, tuple[int, int]], str]:
    told: dict[str, tuple[int, int]] = {}

    def report(table: str, source: int, target: int) -> None:
        told[table] = (source, target)

    return told, await asyncio.to_thread(copy, f"sqlite:///{path}", url, report=report)


async def everything(storage) -> list[object]:
    """What can be read of an organization."""
    log = await storage.log(LogFilter(organization="org_1", limit=500))
    deliveries = await storage.deliveries(DeliveryFilter(organization="org_1", limit=500))
    return [
        log,
        [await storage.attempt("org_1", one.id) for one in log.items],
        deliveries,
        [await storage.delivery("org_1", one.id) for one in deliveries.items],
        [await storage.event("org_1", one.event_id) for one in deliveries.items],
        await storage.webhooks("org_1"),
        await storage.webhooks("org_2"),
        sorted(map(msgspec.structs.astuple, await storage.health("org_1", 0))),
        await storage.webhook_states("org_1"),
        await storage.jobs("org_1", None, 10),
        await storage.link(b"2" * 32),
        await storage.session(b"4" * 32),
        await storage.alert_settings("org_1"),
        await storage.waiting_alerts(),
    ]


def cleaned(found: object) -> object:
    """The same, without what PostgreSQL's texts cannot hold."""
    return msgspec.json.decode(msgspec.json.encode(found).replace(b"\\u0000", "\ufffd".encode()))


@over_weeks
async def test_all_that_could_be_read_before_reads_the_same(
    old, path, empty_postgres_url, open_node
) -> None:
    before = await everything(old.storage)
    await old.storage.close()
    told, _ = await moved(path, empty_postgres_url)
    node = await open_node()
    assert cleaned(await everything(node)) == cleaned(before)
    assert [table for table, (source, target) in told.items() if not source == target > 0] == []
    assert told["attempt"] == (DELIVERIES, DELIVERIES)
    assert set(told) == {table.name for table in module._TABLES}


async def test_what_waited_is_claimed_and_goes_on(
    old, path, empty_postgres_url, open_world
) -> None:
    waiting = old.leased_before
    await old.storage.close()
    await moved(path, empty_postgres_url)
    world = await open_world()
    claimed = {one.id: one for one in await world.claim()}
    again = claimed[waiting.id]
    assert (again.body, again.attempt, again.trigger) == (waiting.body, 1, "automatic")
    assert again.lease > waiting.lease
    await world.settle(again)
    assert await world.status(again) == "delivered"
    replayed = next(one for one in claimed.values() if one.trigger == "replay")
    await world.settle(replayed)
    assert [one.trigger for one in (await world.delivery(replayed)).attempts] == [
        "automatic",
        "replay",
    ]


async def test_secrets_keys_and_client_ids_are_good_as_before(
    old, path, empty_postgres_url, open_world
) -> None:
    await old.storage.close()
    await moved(path, empty_postgres_url)
    world = await open_world()
    node = world.storage
    assert await node.secrets("org_1", old.signed.id) == (SECRET, SECRET[::-1])
    (key,) = await node.keys()
    assert key == await node.key_by_hash(b"1" * 32)
    assert key.name == "CR\N{REPLACEMENT CHARACTER}M"
    (answer,) = await world.accept(world.event(client_id="crm-39", data=b'{"n":39}'))
    assert answer.duplicate


async def test_numbers_go_on_from_where_they_were(
    old, path, empty_postgres_url, open_world
) -> None:
    mark, _ = await old.storage.changed_webhooks(0)
    await old.storage.close()
    await moved(path, empty_postgres_url)
    world = await open_world()
    node = world.storage
    assert await node.changed_webhooks(0) == (mark, [])
    added = await world.webhook(organization="org_1")
    assert (await node.changed_webhooks(mark))[1] == [added.id]
    assert await world.finish_jobs() > 0
    (missed,) = (
        await node.deliveries(DeliveryFilter(organization="org_2", status="cancelled"))
    ).items
    await world.change(old.paused, status="active", replay_cancelled=True)
    await world.finish_jobs()
    assert missed.id in {one.id for one in await world.claim()}


@over_weeks
@pytest.mark.thorough
async def test_history_lies_in_days_so_that_retention_can_let_go_of_it(
    old, path, empty_postgres_url, open_node, clock
) -> None:
    await old.storage.close()
    await moved(path, empty_postgres_url)
    connection = await asyncpg.connect(empty_postgres_url)
    try:
        strays = await connection.fetchval("SELECT count(*) FROM winnerr_webhooks.event_default")
    finally:
        await connection.close()
    assert strays == 0
    node = await open_node()
    clock.advance(days=400)
    while await node.run_retention_slice(30):
        pass
    assert len((await node.log(LogFilter(organization="org_1", limit=500))).items) == DELIVERIES


# --- what is refused ------------------------------------------------------------------------------


async def test_a_file_that_a_server_runs_on_is_refused(old, path, empty_postgres_url) -> None:
    with pytest.raises(CannotStart, match="Another server"):
        await moved(path, empty_postgres_url)


async def test_a_file_that_is_not_there_is_refused_and_not_made(
    tmp_path, empty_postgres_url
) -> None:
    with pytest.raises(ConfigurationError, match="no SQLite database"):
        await moved(tmp_path / "none.db", empty_postgres_url)
    assert list(tmp_path.iterdir()) == []


async def test_a_target_that_holds_anything_is_refused(
    old, path, empty_postgres_url, open_world
) -> None:
    await old.storage.close()
    world = await open_world()
    await world.webhook()
    with pytest.raises(ConfigurationError, match=r"in use: its table winnerr_webhooks\.webhook"):
        await moved(path, empty_postgres_url)
    assert len(await world.storage.webhooks("org_1")) == 1


@pytest.mark.parametrize(
    "change", ["RETURN NULL", "NEW.event_id := 'evt_other'; RETURN NEW"], ids=["fewer", "other"]
)
@pytest.mark.thorough
async def test_a_copy_that_differs_is_no_copy(
    old, path, empty_postgres_url, open_node, change
) -> None:
    await old.storage.close()
    node = await open_node()
    connection = await asyncpg.connect(empty_postgres_url)
    try:
        await connection.execute(
            f"CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {change}; END$$;"
            "CREATE TRIGGER spoil BEFORE INSERT ON winnerr_webhooks.idempotency FOR EACH ROW"
            " WHEN (NEW.client_id = 'crm-7') EXECUTE FUNCTION spoil()"
        )
        with pytest.raises(ConfigurationError, match="idempotency differs from the original"):
            await moved(path, empty_postgres_url)
        assert await node.webhooks("org_1") == []
        await connection.execute("DROP TRIGGER spoil ON winnerr_webhooks.idempotency")
        told, _ = await moved(path, empty_postgres_url)
        assert told["idempotency"] == (DELIVERIES, DELIVERIES)
    finally:
        await connection.close()


# --- what is to be done next ----------------------------------------------------------------------


async def test_the_last_word_names_the_key_file_and_never_a_key_or_a_password(
    old, path, empty_postgres_url
) -> None:
    await old.storage.close()
    key_file = path.with_name("webhooks.db.keys")
    key_file.write_text("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
    _, next_step = await moved(path, empty_postgres_url)
    assert (
        f"WINNERR_WEBHOOKS_ENCRYPTION_KEYS set to what the key file {key_file} holds" in next_step
    )
    assert "AAEC" not in next_step
    assert empty_postgres_url.split(":")[2].split("@")[0] not in next_step
