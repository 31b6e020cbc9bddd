"""The API as callers use it: a real server on loopback, a real database, and no delivery."""

import asyncio
import contextlib
import io
import json
import socket
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import uvloop
from litestar import Litestar
from tests.thorough import mark_other_loops

from winnerr_webhooks.api.auth import Authenticator
from winnerr_webhooks.api.event_endpoint import AnswerCallback, EventEndpoint
from winnerr_webhooks.api.http.http_server import HttpServer
from winnerr_webhooks.api.http.request_head import Limits
from winnerr_webhooks.api.http_app import HttpApp, create_app
from winnerr_webhooks.api.probes import Probes
from winnerr_webhooks.api.rest_api import create_rest_api
from winnerr_webhooks.api.services import Services
from winnerr_webhooks.budgets import Budgets, derive
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import Config, EncryptionKey
from winnerr_webhooks.crypto import Keyring
from winnerr_webhooks.domain.attempt import AttemptRecord, Exchange, Timings
from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.errors import WebhooksError
from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.domain.verdict import Verdict, success_rule
from winnerr_webhooks.egress.address_policy import AddressPolicy
from winnerr_webhooks.egress.resolver import DnsResolver
from winnerr_webhooks.ids import Ids, Jitter
from winnerr_webhooks.management.alert_management import AlertManagement
from winnerr_webhooks.management.api_keys import ApiKeys
from winnerr_webhooks.management.listeners import Listeners
from winnerr_webhooks.management.recoveries import Recoveries
from winnerr_webhooks.management.rehearsals import Rehearsals
from winnerr_webhooks.management.replay_requests import Replays
from winnerr_webhooks.management.webhook_management import WebhookManagement
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.pipeline.lease_releaser import LeaseReleaser
from winnerr_webhooks.pipeline.listener_hub import ListenerHub
from winnerr_webhooks.pipeline.node_signals import NodeSignals
from winnerr_webhooks.pipeline.record import Recorder
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.storage.road_values import Claim, Settlement
from winnerr_webhooks.storage.sqlite import SqliteStorage

_made: list[Litestar] = []
_LOOPBACK = (ip_network("127.0.0.0/8"),)


def pytest_asyncio_loop_factories(config: Any, item: Any) -> Any:
    """The HTTP server is tested on uvloop, as the product runs; on asyncio's in `make thorough`."""
    loops = {"uvloop": uvloop.new_event_loop}
    if item.path.parent.name == "http":
        loops["asyncio"] = asyncio.new_event_loop
    return loops


def pytest_itemcollected(item: Any) -> None:
    mark_other_loops(item)


class Ahead(SystemClock):
    """The machine's clocks; a test can set the monotonic one forward."""

    seconds = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.seconds


class StubNode:
    """Stands in for the node: stores at once, delivers nothing, counts its signals."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.error: WebhooksError | None = None
        self.reason: str | None = None
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.changed: list[str] = []
        self.due = 0

    def take(self, event: NewEvent, answered: AnswerCallback) -> None:
        def done(future: asyncio.Future[Accepted]) -> None:
            error = future.exception()
            answered(None if error else future.result(), error)

        self.accept(event).add_done_callback(done)

    def accept(self, event: NewEvent) -> asyncio.Future[Accepted]:
        if self.error:
            raise self.error
        return asyncio.ensure_future(self._accept(event))

    async def _accept(self, event: NewEvent) -> Accepted:
        await self.is_open.wait()
        return (await self.storage.accept([event], None))[0]

    async def accept_many(self, events: Sequence[NewEvent]) -> list[Accepted | WebhooksError]:
        if self.error:
            return [self.error for _ in events]
        await self.is_open.wait()
        return [*await self.storage.accept(events, None)]

    async def send_test(self, event: NewEvent, webhook_id: str) -> Accepted:
        return await self.storage.send_test(event, webhook_id, None)

    def webhook_changed(self, webhook_id: str) -> None:
        self.changed.append(webhook_id)

    def work_requested(self, webhook_id: str | None = None) -> None:
        self.due += 1

    def readiness(self) -> str | None:
        return self.reason


class Api:
    """A running API with a service key, and helpers that do what delivery would do."""

    def __init__(
        self,
        services: Services,
        node: StubNode,
        probes: Probes,
        key: str,
        *,
        port: int,
        http_app: HttpApp,
        server: HttpServer,
    ) -> None:
        self.http_app = http_app
        self.server = server
        self.services = services
        self.storage = services.storage
        self.node = node
        self.probes = probes
        self.port = port
        self.key = key
        self.keys = ApiKeys(services.storage, services.clock, services.ids)
        self.session = aiohttp.ClientSession(f"http://127.0.0.1:{port}")

    async def raw(
        self, method: str, path: str, body: Any = None, **options: Any
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        key = options.pop("key", self.key)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        given = options.pop("headers", {})
        if isinstance(given, dict):
            headers |= given
        else:  # pairs, of which a name may come twice
            headers = [*headers.items(), *given]
        if body is not None:
            sent = body if isinstance(body, bytes) else json.dumps(body).encode()
            options["data"] = io.BytesIO(sent)  # bytes of a megabyte are warned about
        path = "/api/v1/organizations/org_1" + path[1:] if path.startswith("~") else path
        async with self.session.request(method, path, headers=headers, **options) as response:
            return response, await response.read()

    async def call(
        self, method: str, path: str, body: Any = None, **options: Any
    ) -> tuple[int, Any]:
        """The status and the JSON answer; every error is held to be a whole problem."""
        response, raw = await self.raw(method, path, body, **options)
        answer = json.loads(raw) if raw else None
        if response.status >= 400:
            assert response.content_type == "application/problem+json"
            assert {"type", "title", "status", "detail"} <= answer.keys()
            assert answer["status"] == response.status
        return response.status, answer

    async def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        status, answer = await self.call(method, path, body, **options)
        assert status < 300, answer
        return answer

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A bare connection, for requests that no client library sends."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    @property
    def connections(self) -> list[Any]:
        """The server's side of each connection."""
        return list(self.server.state.connections)

    async def webhook(self, **fields: Any) -> Any:
        draft = {"url": "http://127.0.0.1:9/hook", "events": ["*"]} | fields
        return await self.ok("POST", "~/webhooks", draft)

    async def emit(self, **fields: Any) -> Any:
        event = {"event": "contact.created", "organizationId": "org_1", "data": {"id": "c1"}}
        return await self.ok("POST", "/api/v1/events", event | fields)

    async def claim(self) -> list[LeasedDelivery]:
        page = await self.storage.due_lanes(None, 100)
        limits = {lane.webhook_id: 100 for lane in page.lanes}
        claimed = await self.storage.claim(
            Claim(lease_seconds=60, limits=limits, max_bytes=1 << 20)
        )
        return claimed.deliveries

    async def settle(
        self, delivery: LeasedDelivery, status: int | None, *, happened: str, **fields: Any
    ) -> str:
        """Store an invented attempt of a delivery; return its id."""
        clock, ids = self.services.clock, self.services.ids
        failed = happened != "success"
        kind = fields.pop("kind", "status")
        record = AttemptRecord(
            id=ids.new("att"),
            outcome="failed" if failed else "succeeded",
            url="http://127.0.0.1:9/hook",
            request_head=b"POST /hook HTTP/1.1\r\nHost: 127.0.0.1:9\r\nX-Winnerr-Attempt: 1\r\n",
            exchange=Exchange(
                started_at=clock.now_ms(),
                duration_ms=12.4,
                timings=Timings(connect_ms=1.0, first_byte_ms=6.9),
                status=status,
                **fields,
            ),
            error_kind=kind if failed else None,
            error_message=f"{status} Made Up" if failed else "",
        )
        verdict = Verdict(happened=happened, retry_in=60.0 if happened == "retry" else None)
        await self.storage.settle([Settlement(delivery=delivery, record=record, verdict=verdict)])
        return record.id


async def until_closed(server: HttpServer) -> None:
    """Wait for the end of connections that their clients have closed.

    While there are any, a stop waits a moment for requests that are on their way.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            while server.state.connections:
                await asyncio.sleep(0.001)


def rest_api_of(services: Services) -> Any:
    """The REST API; its routes, which take long to make, are made once for all tests.

    They are made at the first request, because many tests send none to them.
    """

    async def call(scope: Any, receive: Any, send: Any) -> None:
        if not _made:
            _made.append(create_rest_api(services))
        _made[0].state.services = services
        await _made[0](scope, receive, send)

    return call


@contextlib.asynccontextmanager
async def running(
    path: Path,
    limits: Limits | None = None,
    *,
    idle: float = 5,
    send_buffer: int = 0,
    budgets: Budgets | None = None,
    descriptors: int = 1_000_000,
) -> AsyncIterator[Api]:
    clock = Ahead()
    ids = Ids(clock)
    storage = await SqliteStorage.open(
        path,
        clock=clock,
        keyring=Keyring((EncryptionKey("k1", bytes(32)),)),
        exclusive=True,
    )
    node = StubNode(storage)
    config = Config(allow_http=True, max_webhooks=3)
    budgets = budgets or Budgets(derive(config, 20_000), clock)
    resolver = DnsResolver(clock=clock)
    metrics, signals = Metrics(), NodeSignals()
    hub = ListenerHub(
        storage,
        Recorder(storage, metrics, Jitter(), budgets, signals, clock=clock),
        LeaseReleaser(storage, metrics, lambda: None),
        success=success_rule("2xx"),
        branding=config.branding,
        timeout=10,
        lease_seconds=60,
        clock=clock,
        ids=ids,
        jitter=Jitter(),
        signals=signals,
    )
    webhooks = WebhookManagement(
        config=config,
        storage=storage,
        intake=node,
        catalog=CATALOG,
        policy=AddressPolicy(allow=_LOOPBACK, allow_http=True),
        resolver=resolver,
        clock=clock,
        ids=ids,
        signals=node,
    )
    authenticator = Authenticator(storage, clock, budgets.key_lookups)
    services = Services(
        config=config,
        clock=clock,
        ids=ids,
        catalog=CATALOG,
        storage=storage,
        authenticator=authenticator,
        webhooks=webhooks,
        replays=Replays(storage=storage, catalog=CATALOG, signals=node),
        recoveries=Recoveries(storage=storage, signals=node, clock=clock, ids=ids, concurrency=16),
        rehearsals=Rehearsals(storage=storage, webhooks=webhooks, signals=node, ids=ids),
        alerts=AlertManagement(storage),
        listeners=Listeners(storage=storage, catalog=CATALOG, ids=ids, signals=node),
        listener_hub=hub,
        budgets=budgets,
        branding=config.branding,
    )
    key = await ApiKeys(storage, clock, ids).create("tests")
    # With its protocol named, or asyncio leaves Nagle's algorithm on: 40 ms an answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if send_buffer:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    listener.bind(("127.0.0.1", 0))
    probes = Probes(node=node, storage=storage, metrics=metrics, peer_metrics=None, ids=ids)
    events = EventEndpoint(
        authenticator=authenticator,
        intake=node,
        storage=storage,
        catalog=CATALOG,
        clock=clock,
        ids=ids,
        metrics=metrics,
        receiving=budgets.receiving_bytes,
    )
    http_app = create_app(events, probes, rest_api_of(services))
    server = HttpServer(
        http_app,
        clock=clock,
        connections_in=budgets.connections_in,
        descriptors=descriptors,
        limits=limits,
        idle_seconds=idle,
    )
    await server.start(listener, backlog=100)
    port = listener.getsockname()[1]
    api = Api(services, node, probes, key.secret, port=port, http_app=http_app, server=server)
    try:
        yield api
    finally:
        await api.session.close()
        hub.stop()
        await until_closed(server)
        await server.stop(5)
        await hub.close()
        await resolver.close()
        await storage.close()


@pytest.fixture
async def api(sqlite_path: Path) -> AsyncIterator[Api]:
    async with running(sqlite_path) as one:
        yield one


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """One server for a whole module, for tests that leave nothing behind and check that."""
    async with running(tmp_path_factory.mktemp("api") / "test.db") as one:
        yield one


@pytest.fixture
def run() -> Any:
    """`running`, for a test that needs a server with other settings."""
    return running
