"""A dead webhook with a great backlog: others notice nothing, and it drains as fast as it can.

The backlog, and webhooks whose work waits and is not due, are put into the database by bulk SQL.
What a claim costs is read from the database's own statistics (pg_stat_statements): all its
statements together, as the nodes really ran them.
"""

import asyncio
import time
from collections.abc import Set as AbstractSet
from statistics import median
from typing import NamedTuple

import pytest
from tests.crash.cluster import Cluster, cluster_on, percentile

from winnerr_webhooks.ids import id_floor

ROLES = ("api", "deliver", "deliver")
DEAD, STEADY = "org_dead", "org_steady"


class Size(NamedTuple):
    backlog: int
    quiet: int
    """Webhooks with one delivery each that is not due."""
    others: int
    rate: float
    rounds: int
    seconds: float
    """Of a round of load for the others."""
    steady: int
    """Events for one webhook, as fast as they are accepted and delivered."""
    timeout: str
    judged: bool
    """Whether it is big enough for its figures to mean something."""


SMALL = Size(2_000, 200, 10, 50, 1, 2.0, 300, "2", judged=False)
FULL = Size(1_000_000, 100_000, 100, 200, 5, 5.0, 30_000, "10", judged=True)

FILL_BACKLOG = """
WITH webhook AS (SELECT * FROM webhook WHERE organization = '{organization}'),
made AS MATERIALIZED (
    SELECT '{floor}' || lpad(n::text, 16, '0') AS id, n FROM generate_series(1, {count}) AS n
),
events AS (
    INSERT INTO event (id, organization, name, client_id, accepted_at, body)
    SELECT 'evt_' || made.id, webhook.organization, 'contact.created', NULL, {now},
        convert_to('{{"event":"contact.created","timestamp":"2026-01-01T00:00:00Z",'
            || '"organizationId":"{organization}","data":{{"n":' || n
            || ',"name":"Jane Smith","email":"jane@example.com"}}}}', 'UTF8')
    FROM made, webhook
)
INSERT INTO pending
    (webhook_id, delivery_id, organization, event, test, epoch, accepted_at, due_at, lease_until,
     lease, idle_leases, attempts, retries_used, retry_at, replay, finished)
SELECT webhook.id, 'dlv_' || made.id || webhook.suffix, webhook.organization, 'contact.created',
    false, webhook.epoch, {now}, {now} - {count} + n, NULL, 0, 0, 0, 0, {now}, 0, false
FROM made, webhook
"""
FILL_QUIET = """
WITH made AS MATERIALIZED (
    SELECT '{floor}' || lpad(n::text, 16, '0') AS id, 'quiet_' || n AS organization
    FROM generate_series(1, {count}) AS n
),
webhooks AS (
    INSERT INTO webhook
        (id, organization, number, suffix, url, description, events, status, status_reason, secret,
         next_secret, overlap_ends_at, created_at, updated_at, version, epoch, change_mark)
    SELECT 'wh_' || id, organization, 1, '0001', '{url}', NULL, '{{*}}', 'active', NULL, NULL,
        NULL, NULL, {now}, {now}, 1, 0, 0
    FROM made
),
subscriptions AS (
    INSERT INTO subscription (organization, event, webhook_id)
    SELECT organization, '*', 'wh_' || id FROM made
),
events AS (
    INSERT INTO event (id, organization, name, client_id, accepted_at, body)
    SELECT 'evt_' || id, organization, 'contact.created', NULL, {now}, '{{}}' FROM made
),
lanes AS (
    INSERT INTO lane (webhook_id, next_due_at) SELECT 'wh_' || id, {now} + 3600000 FROM made
)
INSERT INTO pending
    (webhook_id, delivery_id, organization, event, test, epoch, accepted_at, due_at, lease_until,
     lease, idle_leases, attempts, retries_used, retry_at, replay, finished)
SELECT 'wh_' || id, 'dlv_' || id || '0001', organization, 'contact.created', false, 0, {now},
    {now} + 3600000, NULL, 1, 0, 1, 0, {now} + 3600000, 0, false
FROM made
"""
WAKE = """
INSERT INTO lane (webhook_id, next_due_at)
SELECT id, {now} - {count} FROM webhook WHERE organization = '{organization}'
ON CONFLICT (webhook_id) DO UPDATE SET next_due_at = excluded.next_due_at
"""
VACUUMING = """
SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'
"""
CLAIM_PARTS = (
    "FOR UPDATE OF lane SKIP LOCKED",
    "AS due (webhook_id, epoch",
    "idle_leases = pending.idle_leases + 1",
    "SELECT lane.webhook_id, ",
    "SELECT due.webhook_id, ",
)
"""What tells the statements of a claim: which lanes, which deliveries, their leases, where the
lanes stand afterwards, and when the next one is due."""
CLAIM_COST = """
SELECT sum(total_exec_time), sum(max_exec_time),
    max(calls) FILTER (WHERE query LIKE '%FOR UPDATE OF lane SKIP LOCKED%')
FROM pg_stat_statements WHERE query LIKE ANY ($1) AND query NOT LIKE '%RECURSIVE busy%'
"""


class Stage:
    """Reads the database from outside the cluster, and keeps what was found."""

    def __init__(self, server, name: str, cluster: Cluster, size: Size) -> None:
        self.server = server
        self.name = name
        self.cluster = cluster
        self.size = size
        self.first = 0
        self.claims: dict[str, tuple[float, float, int]] = {}
        self.p99: dict[str, float] = {}

    async def run(self, statement: str, **values: object) -> None:
        now = round(time.time() * 1000)
        values = {"count": 0, "url": "", "organization": "", **values}
        floor = id_floor("x", now).removeprefix("x_")[:10]
        async with self.server.admin(self.name) as admin:
            await admin.execute("SET search_path = winnerr_webhooks")
            await admin.execute(statement.format(now=now, floor=floor, **values), timeout=600)

    async def rest(self) -> None:
        """Wait until the database has written out and vacuumed what bulk SQL put into it at once.

        A backlog that came event by event was, long ago.
        """
        async with self.server.admin(self.name) as admin:
            await admin.execute("CHECKPOINT", timeout=600)
            async with asyncio.timeout(600):
                while await admin.fetchval(VACUUMING):
                    await asyncio.sleep(0.5)

    async def claim_cost(self, phase: str) -> None:
        """Note what claims cost since the phase before: ms on average and at worst, how many."""
        patterns = [f"%{part}%" for part in CLAIM_PARTS]
        async with self.server.admin(self.name) as admin:
            total, worst, calls = await admin.fetchrow(CLAIM_COST, patterns)
            await admin.execute("SELECT pg_stat_statements_reset()")
        if calls:
            self.claims[phase] = (float(total) / calls, float(worst), calls)

    async def others(self, phase: str) -> None:
        """Send to the others for a while: the milliseconds from due to received, 99 of 100."""
        found = []
        for _ in range(self.size.rounds):
            start = await self.cluster.traffic.count()
            sent = await self.cluster.load(
                self.size.rate, self.size.seconds, organizations=self.size.others, first=self.first
            )
            self.first += len(sent.accepted)
            due = {event: at for event, _, at, _ in sent.accepted.values()}
            arrived = await self.arrived(start, due.keys())
            found.append(percentile([arrived[event] - due[event] for event in due], 0.99) * 1000)
        self.p99[phase] = median(found)
        await self.claim_cost(phase)

    async def arrived(self, start: int, wanted: AbstractSet[str]) -> dict[str, float]:
        """When each of these events reached the receiver first, once all have."""
        arrived: dict[str, float] = {}
        async with asyncio.timeout(60):
            while not wanted <= arrived.keys():
                taken = await self.cluster.traffic.taken(start)
                start += len(taken)
                for request in taken:
                    arrived.setdefault(request.event, request.at)
                await asyncio.sleep(0.05)
        return arrived

    async def steady_rate(self) -> float:
        """Deliveries a second to one webhook while its events are accepted as fast as can be."""
        traffic, wanted = self.cluster.traffic, self.size.steady
        start = await traffic.count()
        sent = await self.cluster.load(
            wanted * 10, 0.1, prefix=STEADY, first=self.first, connections=64
        )
        self.first += len(sent.accepted)
        async with asyncio.timeout(120):
            while await traffic.count(f"{STEADY}_0") < wanted:
                await asyncio.sleep(0.1)
        times = [request.at for request in await traffic.taken(start)]
        await self.claim_cost("steady load")
        return wanted / (max(times) - min(times))

    async def drain_rate(self) -> float:
        """Deliveries a second from a fifth of the backlog to nearly all of it.

        Nearly, because some had an attempt that hung, and wait for their retry.
        """
        traffic, backlog = self.cluster.traffic, self.size.backlog
        loop = asyncio.get_running_loop()
        marks = [(loop.time(), await traffic.count(DEAD))]
        async with asyncio.timeout(1_800):
            while (count := await traffic.count(DEAD)) < 0.95 * backlog:
                if count >= backlog / 5:
                    marks.append((loop.time(), count))
                await asyncio.sleep(0.05)
        marks.append((loop.time(), count))
        # From the first look, if there was time for no other.
        (began, before), (ended, after) = marks[min(1, len(marks) - 2)], marks[-1]
        return (after - before) / (ended - began)


@pytest.fixture
async def server(make_postgres):
    settings = {"shared_preload_libraries": "pg_stat_statements", "shared_buffers": "256MB"}
    return await asyncio.to_thread(make_postgres, durable=True, settings=settings)


@pytest.mark.parametrize(
    "size", [SMALL, pytest.param(FULL, marks=pytest.mark.chaos)], ids=["small", "full"]
)
@pytest.mark.timeout(3_600)
@pytest.mark.thorough
async def test_a_dead_webhook_with_a_great_backlog_harms_nobody_and_drains(
    size: Size, server, tmp_path
) -> None:
    name = await server.create_database()
    async with server.admin(name) as admin:
        await admin.execute("CREATE EXTENSION pg_stat_statements")
    settings = {"DELIVERY_TIMEOUT": size.timeout, "RETRY_SCHEDULE": ",".join(["5"] * 20)}
    async with cluster_on(server.url(name), tmp_path, **settings) as cluster:
        await cluster.start(ROLES, organizations=size.others)
        stage = Stage(server, name, cluster, size)
        for organization in (DEAD, f"{STEADY}_0"):
            await cluster.nodes[0].of(organization).webhook(cluster.traffic.url(organization))
        await cluster.traffic.plan(DEAD, hang=True)
        rate = await stage.steady_rate()
        await stage.others("without a backlog")

        await stage.run(FILL_BACKLOG, organization=DEAD, count=size.backlog)
        await stage.run(WAKE, organization=DEAD, count=size.backlog)
        await stage.rest()
        await stage.others("backlog waits")
        await stage.run(FILL_QUIET, count=size.quiet, url=cluster.traffic.url("quiet"))
        await stage.rest()
        await stage.others("quiet webhooks, too")

        seen = await cluster.traffic.count(DEAD)
        await cluster.traffic.plan(DEAD)
        drained = await stage.drain_rate()
        await stage.claim_cost("drain")
        left = f"SELECT count(*) FROM pending WHERE organization NOT LIKE '{'quiet%'}'"
        async with asyncio.timeout(180):
            while await cluster.count(left):
                await asyncio.sleep(0.2)
        await stage.others("after the drain")
        taken = await cluster.traffic.taken()
        reached = {request.delivery for request in taken if request.name == DEAD}
        assert len(reached) == size.backlog
        assert await cluster.traffic.count("quiet") == 0

    for phase, (mean, worst, calls) in stage.claims.items():
        p99 = f", p99 of the others {stage.p99[phase]:.0f} ms" if phase in stage.p99 else ""
        print(f"{phase}: a claim {mean:.2f} ms, at worst {worst:.0f}, of {calls}{p99}")
    print(
        f"steady {rate:.0f}/s, drain {drained:.0f}/s: {drained / rate:.2f} times; "
        f"{seen} attempts while it was dead"
    )
    if size.judged:
        assert all(mean < 20 for mean, _, _ in stage.claims.values())
        assert stage.p99["backlog waits"] <= 1.25 * stage.p99["without a backlog"]
        assert stage.p99["quiet webhooks, too"] <= 1.25 * stage.p99["without a backlog"]
        assert drained >= 0.9 * rate
