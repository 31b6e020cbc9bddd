"""What the pipeline's tests stand on: a node on a real database, receivers that follow a script."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import pytest

from winnerr_webhooks.budgets import Budgets, derive
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import Config, EncryptionKey
from winnerr_webhooks.crypto import Keyring
from winnerr_webhooks.domain.attempt import Exchange, Failure, Timings
from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.domain.event import Accepted, NewEvent, encode_payload
from winnerr_webhooks.domain.url import Destination
from winnerr_webhooks.domain.webhook import Webhook
from winnerr_webhooks.ids import Ids, Jitter
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.pipeline import background_loops, claimer
from winnerr_webhooks.pipeline.node import Node
from winnerr_webhooks.storage.road_values import Claim, Claimed
from winnerr_webhooks.storage.sqlite import SqliteStorage, threads
from winnerr_webhooks.storage.values import Delivery, NewWebhook, WebhookChange

PATIENCE = 60.0


class Call:
    """One attempt in flight at a receiver: the test says when and what it answers."""

    def __init__(self, destination: Destination, head: bytes, body: bytes) -> None:
        self.destination = destination
        self.head = head.decode()
        self.body = body
        self.exchange: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()

    def header(self, name: str) -> str:
        lines = dict(line.split(": ", 1) for line in self.head.split("\r\n")[1:] if line)
        return lines[name]

    @property
    def delivery(self) -> str:
        return self.header("X-Winnerr-Delivery")

    def answer(self, status: int = 200, *, ms: float = 1.0, **headers: str) -> None:
        lines = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in headers.items())
        self.exchange.set_result(
            Exchange(
                started_at=SystemClock().now_ms(),
                duration_ms=ms,
                timings=Timings(),
                status=status,
                response_head=lines.encode(),
            )
        )

    def time_out(self) -> None:
        failure = Failure(kind="timeout", message="No answer.", phase="wait")
        self.exchange.set_result(
            Exchange(
                started_at=SystemClock().now_ms(),
                duration_ms=10_000.0,
                timings=Timings(),
                failure=failure,
            )
        )


class ScriptedEgress:
    """The Egress protocol; each request waits for the test, or for `script`."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[Call] = asyncio.Queue()
        self.made: list[Call] = []
        self.script: Callable[[Call], object] | None = None

    async def post(
        self,
        destination: Destination,
        organization: str,
        head: bytes,
        body: bytes,
        limit: float | None = None,
    ) -> Exchange:
        call = Call(destination, head, body)
        self.made.append(call)
        if self.script is not None:
            self.script(call)
        self.calls.put_nowait(call)
        return await call.exchange

    async def next(self) -> Call:
        return await asyncio.wait_for(self.calls.get(), PATIENCE)


class Steered:
    """A real storage; a verb may be watched, held or made to fail by what `before` names for it."""

    is_shared = True
    """The tests write beside the node, as other nodes would."""
    outbox = None

    def __init__(self, storage: SqliteStorage) -> None:
        self.storage = storage
        self.before: dict[str, Callable[..., Awaitable[None]]] = {}
        self.after: dict[str, Callable[..., Awaitable[None]]] = {}
        self.counts: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self.storage, name)

        async def call(*args: Any, **options: Any) -> Any:
            self.counts[name] = self.counts.get(name, 0) + 1
            if name in self.before:
                await self.before[name](*args)
            answer = await verb(*args, **options)
            if name in self.after:
                await self.after[name](answer)
            return answer

        return call

    def busy_seconds(self) -> float:
        return self.storage.busy_seconds()

    async def make_read_only(self, *, on: bool) -> None:
        """Let every write fail, for real, or work again."""
        connection = self.storage._threads._writer._connection.apsw
        wanted = False
        while not wanted:
            with suppress(apsw.BusyError, apsw.ThreadingViolationError):  # its thread is at it
                connection.pragma("query_only", on)
                wanted = connection.pragma("query_only") == on
            await self.storage.keys()

    async def reached(self, verb: str) -> None:
        """Return at the next call of a verb."""
        seen = asyncio.Event()

        async def see(*_args: Any) -> None:
            seen.set()

        self.before[verb] = see
        await asyncio.wait_for(seen.wait(), PATIENCE)
        del self.before[verb]


class JumpyClock(SystemClock):
    """The machine's clocks, each with a push."""

    wall_ms = 0
    elapsed = 0.0

    def now_ms(self) -> int:
        return super().now_ms() + self.wall_ms

    def monotonic(self) -> float:
        return super().monotonic() + self.elapsed


class World:
    """A node with its database and its receivers."""

    def __init__(
        self,
        storage: SqliteStorage,
        clock: JumpyClock,
        limits: dict[str, int] | None = None,
        **settings: Any,
    ) -> None:
        self.clock = clock
        self.ids = Ids(clock)
        self.storage = Steered(storage)
        self.egress = ScriptedEgress()
        self.metrics = Metrics()
        self.config = Config(**({"retry_schedule": (0.01,) * 3} | settings))
        bounds = derive(self.config, 20_000)
        for name, limit in (limits or {}).items():
            bound = getattr(bounds, name)
            quota = bound.quota * limit // bound.limit
            bounds = bounds._replace(**{name: bound._replace(limit=limit, quota=quota)})
        self.budgets = Budgets(bounds, clock)
        self.node = Node(
            self.config,
            self.storage,  # type: ignore[arg-type]  # looks like one
            self.egress,
            catalog=CATALOG,
            branding=Config().branding,
            clock=clock,
            ids=self.ids,
            jitter=Jitter(1),
            metrics=self.metrics,
            budgets=self.budgets,
        )
        self.dispatcher = self.node.dispatcher

    async def webhook(self, url: str = "https://hooks.example.com/crm", **fields: Any) -> Webhook:
        new = NewWebhook(
            **(
                {
                    "id": self.ids.new("wh"),
                    "organization": "org_1",
                    "url": url,
                    "description": None,
                    "events": ("*",),
                    "secret": None,
                }
                | fields
            )
        )
        return await self.storage.create_webhook(new, 10_000)

    def event(self, size: int = 0, organization: str = "org_1") -> NewEvent:
        data = b'{"id":"contact_xyz","filler":"%b"}' % (b"x" * size)
        return NewEvent(
            id=self.ids.new("evt"),
            organization=organization,
            name="contact.created",
            body=encode_payload("contact.created", "2027-01-15T08:00:00Z", organization, data),
        )

    async def emit(self, count: int = 1, **options: Any) -> list[Accepted]:
        answers = await self.node.intake.accept_many([self.event(**options) for _ in range(count)])
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers  # type: ignore[return-value]  # errors were raised

    async def change(self, webhook: Webhook, **fields: Any) -> None:
        """Change a webhook as the API does: store it, and send the node its signal."""
        await self.storage.change_webhook(webhook.organization, webhook.id, WebhookChange(**fields))
        self.node.signals.webhook_changed(webhook.id)

    async def delivery(self, delivery_id: str) -> Delivery:
        found = await self.storage.delivery("org_1", delivery_id)
        assert found is not None
        return found

    async def claimed(self) -> Claimed:
        """Claim all that is due, as another node would."""
        page = await self.storage.due_lanes(None, 1_000)
        limits = {lane.webhook_id: 64 for lane in page.lanes}
        return await self.storage.claim(Claim(lease_seconds=60, limits=limits, max_bytes=1 << 26))

    async def settled(self, count: int) -> None:
        """Return when this many deliveries are settled in the database."""

        async def enough() -> bool:
            found = await self.storage.storage._threads.read(
                lambda db: db.apsw.execute("SELECT count(*) FROM delivery").fetchone()
            )
            return bool(found[0] >= count)

        await self.until(enough)

    async def until(self, true: Callable[[], bool | Awaitable[bool]]) -> None:
        """Return when it is so; the database is asked between two looks."""
        async with asyncio.timeout(PATIENCE):
            while True:
                seen = true()
                if seen if isinstance(seen, bool) else await seen:
                    return
                await self.storage.storage.keys()
                await asyncio.sleep(0.001)  # leaves the machine to other tests

    async def until_stalled(self) -> None:
        """Return when a settling has failed."""
        await self.until(lambda: self.node.recorder.stalled)

    def answer_all_after(self, count: int) -> None:
        """Answer every call but the first `count`, as soon as it is made.

        A test that sets this before a receiver asks for a second's pause depends on no clock: on a
        busy machine the pause may be over before the test goes on.
        """
        made = self.egress.made
        self.egress.script = lambda call: call.answer() if len(made) > count else None

    def metric(self, name: str) -> float:
        for line in self.metrics.render().decode().splitlines():
            if line.startswith(f"winnerr_webhooks_{name} "):
                return float(line.split()[1])
        raise KeyError(name)


@pytest.fixture
def world_class() -> type[World]:
    """For tests that open a storage of their own."""
    return World


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that a busy machine keeps waiting fails nothing: only the deadlines' own tests do."""
    monkeypatch.setattr(threads, "TICK", 3_600.0)


@pytest.fixture
def no_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is not shared, and idle loops hardly ever ask it: only signals find work."""
    never = 3_600.0
    monkeypatch.setattr(Steered, "is_shared", False)
    monkeypatch.setattr(claimer, "IDLE_POLL", never)
    monkeypatch.setattr(background_loops, "IDLE_POLL", never)
    monkeypatch.setattr(background_loops, "CHANGES_EVERY", never)


@pytest.fixture
async def open_storage(sqlite_path: Path) -> AsyncIterator[Callable[..., Awaitable[SqliteStorage]]]:
    opened: list[SqliteStorage] = []

    async def open_(clock: JumpyClock) -> SqliteStorage:
        opened.append(
            await SqliteStorage.open(
                sqlite_path,
                clock=clock,
                keyring=Keyring((EncryptionKey("k1", bytes(32)),)),
                exclusive=True,
            )
        )
        return opened[-1]

    yield open_
    for storage in opened:
        await storage.close()


@pytest.fixture
async def make_world(
    open_storage: Callable[..., Awaitable[SqliteStorage]],
) -> AsyncIterator[Callable[..., Awaitable[World]]]:
    worlds: list[World] = []

    async def make(*, start: bool = True, **settings: Any) -> World:
        clock = JumpyClock()
        world = World(await open_storage(clock), clock, **settings)
        worlds.append(world)
        if start:
            await world.node.start()
        return world

    yield make
    for world in worlds:
        world.egress.script = lambda call: call.exchange.done() or call.answer()
        for call in world.egress.made:
            if not call.exchange.done():
                call.answer()
        await world.node.stop()


@pytest.fixture
async def world(make_world: Callable[..., Awaitable[World]]) -> World:
    return await make_world()
