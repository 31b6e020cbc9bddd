"""Creates all parts of a node, connects them, and runs it."""

import asyncio
import gc
import math
import resource
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import structlog

from winnerr_webhooks import __version__
from winnerr_webhooks.alerts.operator_webhook import settle_operator_webhook
from winnerr_webhooks.api.auth import Authenticator
from winnerr_webhooks.api.deferred_app import DeferredApp, StoppableApp
from winnerr_webhooks.api.event_endpoint import EventEndpoint
from winnerr_webhooks.api.http.http_server import HttpServer
from winnerr_webhooks.api.http_app import HttpApp, create_app, create_probes
from winnerr_webhooks.api.probes import Probes
from winnerr_webhooks.budgets import (
    STOP_SLACK,
    Budgets,
    derive,
    descriptors_allowed,
    stop_seconds,
)
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import Config, check_service
from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.egress.address_policy import AddressPolicy
from winnerr_webhooks.egress.client import EgressClient
from winnerr_webhooks.egress.dialer import connect
from winnerr_webhooks.egress.proxy_connector import ProxyConnector
from winnerr_webhooks.egress.resolver import DnsResolver
from winnerr_webhooks.event_catalog.catalog_loader import LiveCatalog
from winnerr_webhooks.ids import Ids, Jitter
from winnerr_webhooks.log_setup import set_up_logs
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.pipeline.node import CLOSING_SECONDS, Node
from winnerr_webhooks.pipeline.shutdown import ShutdownStack, within
from winnerr_webhooks.processes.listening_socket import BACKLOG, adopt, listen, url_of
from winnerr_webhooks.processes.peer_metrics import PeerMetrics
from winnerr_webhooks.processes.worker_context import WorkerContext
from winnerr_webhooks.settings_page.session import Identify
from winnerr_webhooks.settings_page.theme import load_theme
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.storage_opener import open_storage

if TYPE_CHECKING:
    from winnerr_webhooks.alerts.alert_wiring import AlertLoops

SWITCH_INTERVAL = 0.0005
"""How long a thread may hold the interpreter, in seconds. With Python's 5 ms the storage thread
would wait ten times as long as its work takes (docs/adr/0001)."""
GRACE = 10
"""The longest time in seconds that API requests get to finish when the node stops."""
EXIT_SECONDS = 0.5
"""The part of the documented shutdown time that is left for the interpreter to exit."""
LAST_ANSWERS = 2
"""In the last seconds of the grace period events are refused, so that callers get an answer."""

log = structlog.get_logger(__name__)


async def serve(
    config: Config,
    *,
    on_started: Callable[[str], None] | None = None,
    identify: Identify | None = None,
    worker: WorkerContext | None = None,
) -> None:
    """Run a node until SIGTERM or SIGINT, and return after an orderly shutdown.

    ROLE decides what it runs: API and settings page, delivery, or both. `on_started` is called with
    its URL. `identify` lets a program that embeds it say who is signed in on the settings page.
    `worker` is set if this process is one of several workers; their supervisor is then told when it
    is ready. Raises `ConfigurationError` if it cannot run with these settings.
    """
    if not structlog.is_configured():  # a program that embeds it may have set up logging
        set_up_logs(config.log_level, config.log_format)
    check_service(config)
    seconds = stop_seconds(config)
    sys.setswitchinterval(SWITCH_INTERVAL)
    descriptors = _raise_file_limit()
    listener = adopt(worker.listener) if worker else listen(config)
    stop = asyncio.Event()
    _stop_on_signals(stop, again=worker is None)
    loop = asyncio.get_running_loop()
    parts, ends = ShutdownStack(), float("inf")
    try:
        catalog = LiveCatalog(config)
        parts.add("catalog", catalog.close)
        service = await _build(
            config,
            parts,
            catalog=catalog.start(),
            descriptors=descriptors,
            identify=identify,
            worker=worker,
        )
        log.info("starting", version=__version__, database=config.database_name, role=config.role)
        await service.node.start()
        parts.add("node", service.node.stop)
        if service.alerts is not None:
            service.alerts.start()
            parts.add("alerts", service.alerts.close)
        server = HttpServer(
            service.http_app,
            clock=SystemClock(),
            connections_in=service.node.budgets.connections_in,
            descriptors=descriptors,
        )
        await server.start(listener, backlog=BACKLOG)
        log.info("started", url=url_of(config, listener))
        if worker is None and on_started is not None:
            on_started(url_of(config, listener))
        failure = await _load_and_work_until(stop, service.web_app, worker)
        log.info("stopping", within_seconds=config.drain_seconds + seconds)
        service.node.drain()
        await asyncio.sleep(config.drain_seconds)
        ends = loop.time() + seconds
        await _finish_requests_and_attempts(config, service, server)
        if failure is not None:
            raise failure
    finally:
        await parts.close(min(ends - loop.time(), seconds) - EXIT_SECONDS)
        listener.close()
    log.info("stopped")


async def _load_and_work_until(
    stop: asyncio.Event, web_app: DeferredApp | None, worker: WorkerContext | None
) -> BaseException | None:
    """Load the API and the settings page, which a node starts without, and wait for `stop`.

    If the loading fails, return its error at once: the node then stops as it does when it is told
    to, and the requests that it has are answered. A worker is ready only after the loading: its
    supervisor restarts one that was ready, and gives up when one cannot start.
    """
    stopped = asyncio.ensure_future(stop.wait())
    if web_app is not None:
        # Imported modules are never freed, and a search for garbage among them delays events.
        gc.disable()
        loading = asyncio.ensure_future(web_app.load())
        await asyncio.wait({loading, stopped}, return_when=asyncio.FIRST_COMPLETED)
        gc.freeze()
        gc.enable()
        if loading.done() and (failure := loading.exception()) is not None:
            log.error("the API and the settings page cannot be loaded", reason=repr(failure))
            return failure
    if worker is not None and not stop.is_set():
        worker.ready()
    await stopped
    return None


async def _finish_requests_and_attempts(
    config: Config, service: "_Service", server: HttpServer
) -> None:
    """Answer current requests, while other nodes take over the deliveries queued here."""
    grace = min(GRACE, math.floor(config.delivery_timeout + STOP_SLACK))
    service.node.listeners.stop()
    if service.web_app is not None:
        service.web_app.stop()
    asyncio.get_running_loop().call_later(grace - LAST_ANSWERS, service.node.stop_accepting)
    await within(
        stop_seconds(config) - CLOSING_SECONDS,
        requests=server.stop(grace),
        delivery=service.node.stop_delivering(),
    )


class _Service(NamedTuple):
    """A node and its HTTP application."""

    node: Node
    http_app: HttpApp
    web_app: DeferredApp | None
    """The part of it that is loaded after the start; None: this node only delivers."""
    alerts: "AlertLoops | None"
    """None: this node makes no operational events."""


async def _build(
    config: Config,
    parts: ShutdownStack,
    *,
    catalog: Catalog,
    descriptors: int,
    identify: Identify | None,
    worker: WorkerContext | None,
) -> _Service:
    """Create and connect all parts; `parts` gets everything that must be closed at the end."""
    clock, metrics = SystemClock(), Metrics(config.delivery_timeout)
    ids = Ids(clock)
    budgets = Budgets(derive(config, descriptors), clock)
    storage = await open_storage(config, exclusive=True, budgets=budgets)
    parts.add("storage", storage.close)
    policy = AddressPolicy(
        allow=config.allow_networks,
        deny=config.deny_networks,
        nat64=config.nat64_prefixes,
        allow_http=config.allow_http,
    )
    resolver = DnsResolver(clock=clock)
    parts.add("resolver", resolver.close)
    egress = EgressClient(
        policy=policy,
        resolver=resolver,
        clock=clock,
        timeout=config.delivery_timeout,
        kept=budgets.kept_connections,
        connector=ProxyConnector(config.egress_proxy) if config.egress_proxy else connect,
    )
    parts.add("egress", egress.close)
    peer_metrics = await _share_metrics(worker, metrics, parts)
    node = Node(
        config,
        storage,
        egress,
        catalog=catalog,
        branding=config.branding,
        clock=clock,
        ids=ids,
        jitter=Jitter(),
        metrics=metrics,
        budgets=budgets,
    )
    alerts = await _alert_loops(config, storage, node, ids, metrics)
    probes = Probes(node=node, storage=storage, metrics=metrics, peer_metrics=peer_metrics, ids=ids)
    if not config.accepts:
        return _Service(node, create_probes(probes), None, alerts)
    theme = load_theme(config)  # before the node is ready: a wrong setting ends the start
    authenticator = Authenticator(storage, clock, budgets.key_lookups)
    events = EventEndpoint(
        authenticator=authenticator,
        intake=node.intake,
        storage=storage,
        catalog=catalog,
        clock=clock,
        ids=ids,
        metrics=metrics,
        receiving=budgets.receiving_bytes,
    )

    def load_web_app() -> StoppableApp:
        from winnerr_webhooks.web_wiring import create_web_app  # noqa: PLC0415  see DeferredApp

        return create_web_app(
            config=config,
            clock=clock,
            ids=ids,
            catalog=catalog,
            storage=storage,
            authenticator=authenticator,
            node=node,
            egress=egress,
            policy=policy,
            resolver=resolver,
            budgets=budgets,
            theme=theme,
            identify=identify,
        )

    web_app = DeferredApp(load_web_app)
    return _Service(node, create_app(events, probes, web_app), web_app, alerts)


async def _alert_loops(
    config: Config, storage: Storage, node: Node, ids: Ids, metrics: Metrics
) -> "AlertLoops | None":
    """Update the operator's webhook; return the loops for operational events, if any are needed."""
    if not config.delivers:
        return None
    await settle_operator_webhook(storage, config)
    if not config.raises_alerts:
        return None
    from winnerr_webhooks.alerts.alert_wiring import AlertLoops  # noqa: PLC0415  only if it is used

    return AlertLoops(config, storage, node.intake, ids=ids, jitter=Jitter(), metrics=metrics)


async def _share_metrics(
    worker: WorkerContext | None, metrics: Metrics, parts: ShutdownStack
) -> PeerMetrics | None:
    """Exchange metrics with the other workers, if there are any."""
    if worker is None:
        return None
    peer_metrics = PeerMetrics(worker, metrics.render_process)
    await peer_metrics.start()
    parts.add("peer metrics", peer_metrics.close)
    return peer_metrics


def _stop_on_signals(stop: asyncio.Event, *, again: bool) -> None:
    """Let SIGTERM and SIGINT set `stop`. With `again`, a second signal ends the process at once.

    A worker process ignores further signals, because the supervisor and a signal to the whole
    process group may both reach it.
    """
    loop = asyncio.get_running_loop()

    def signal_received() -> None:
        stop.set()
        if again:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signal_received)


def _raise_file_limit() -> int:
    """Raise the limit of file descriptors as far as this process may; return the new limit."""
    allowed = descriptors_allowed()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
