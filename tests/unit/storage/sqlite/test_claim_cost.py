"""What a look at due lanes costs on SQLite: as much more as there are more, and no write."""

import pytest

from winnerr_webhooks.storage.road_values import Claim

FEW, MANY = 500, 4_000
FREE_AGAIN = "UPDATE pending SET lease_until = NULL"
SEED = """
WITH RECURSIVE numbered (n) AS (
    SELECT :first UNION ALL SELECT n + 1 FROM numbered WHERE n + 1 < :first + :count)
INSERT INTO webhook
    (id, organization, number, url, events, status, created_at, updated_at, version, epoch,
     change_mark, failures)
SELECT printf('wh_%08d', n), 'org_1', n, 'https://hooks.example.com/', '["*"]', 'active', 0, 0, 1,
    1, n, 0
FROM numbered
"""
SEED_PENDING = """
INSERT INTO pending
    (webhook_id, delivery_id, organization, event, test, epoch, accepted_at, due_at, lease_until,
     lease, idle_leases, attempts, retries_used, retry_at, replay, finished)
SELECT id, printf('dlv_%026d%04d', number, 1), organization, 'contact.created', 0, epoch, 0, 1,
    NULL, 0, 0, 1, 1, 1, 0, 0
FROM webhook WHERE number >= :first
"""
SEED_LANES = """
INSERT INTO lane (webhook_id, next_due_at) SELECT id, 1 FROM webhook WHERE number >= :first
"""


async def seed(storage, first: int, count: int) -> None:
    """Webhooks with a delivery each that is due."""

    def write(db) -> None:
        for statement in (SEED, SEED_PENDING, SEED_LANES):
            db.apsw.execute(statement, {"first": first, "count": count})

    await storage._threads.write(write)


async def look(storage) -> int:
    """Read all due lanes as a node does; how many there are."""
    found, after = 0, None
    while page := (await storage.due_lanes(after, 1_000)).lanes:
        found += len(page)
        after = page[-1]
    return found


async def steps_of(run, work) -> int:
    """How many tens of steps of SQLite's machine `work` takes on the thread that `run` uses."""
    ticks = []

    def tick() -> bool:
        ticks.append(1)
        return False

    await run(lambda db: db.apsw.set_progress_handler(tick, 10))
    try:
        await work()
    finally:
        await run(lambda db: db.apsw.set_progress_handler(None))
    return len(ticks)


async def test_eight_times_as_many_due_lanes_cost_eight_times_as_much(storage) -> None:
    """When no lane has room: before, 4,000 of them held the only writer for 3 s."""

    async def steps(count: int) -> int:
        async def work() -> None:
            assert await look(storage) == count

        return await steps_of(storage._threads.read_for_road, work)

    await seed(storage, 0, FEW)
    few = await steps(FEW)
    await seed(storage, FEW, MANY - FEW)
    assert await steps(MANY) < 10 * few


async def test_reading_due_lanes_does_not_touch_the_writer(storage, monkeypatch) -> None:
    await seed(storage, 0, FEW)
    written = []
    write = storage._threads.write

    async def noted(verb, **options):
        written.append(verb)
        return await write(verb, **options)

    monkeypatch.setattr(storage._threads, "write", noted)
    assert await look(storage) == FEW
    assert written == []


async def test_a_claim_among_thousands_of_due_lanes_costs_what_its_own_lanes_cost(storage) -> None:
    """Given 4,000 due lanes, a claim of one of them runs as many steps as it does alone."""
    claim = Claim(lease_seconds=60, limits={"wh_00000000": 1}, max_bytes=1 << 20)

    async def work() -> None:
        assert len((await storage.claim(claim)).deliveries) == 1

    await seed(storage, 0, 1)
    alone = await steps_of(storage._threads.write, work)
    await seed(storage, 1, MANY)
    await storage._threads.write(lambda db: db.apsw.execute(FREE_AGAIN))
    assert await steps_of(storage._threads.write, work) < 2 * alone


@pytest.fixture(autouse=True)
async def with_body(storage) -> None:
    """The event of the first webhook's delivery."""

    def write(db) -> None:
        db.apsw.execute(
            "INSERT INTO event (id, organization, name, client_id, accepted_at, body)"
            " VALUES (printf('evt_%026d', 0), 'org_1', 'contact.created', NULL, 0, x'7b7d')"
        )

    await storage._threads.write(write)
