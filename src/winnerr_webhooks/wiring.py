"""Wiring: the only module that names concrete adapters. It puts the parts together."""

import asyncio
import contextlib
import gc
import resource
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import uvicorn

from winnerr_webhooks.api.app import create_app
from winnerr_webhooks.api.server import Protocol, Server
from winnerr_webhooks.api.services import Services
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import Config, database_path
from winnerr_webhooks.crypto import Keyring, NoKeyring, Sealer, load_or_create_key_file
from winnerr_webhooks.domain.catalog import CATALOG
from winnerr_webhooks.domain.errors import ConfigurationError
from winnerr_webhooks.egress.client import EgressClient
from winnerr_webhooks.egress.policy import AddressPolicy
from winnerr_webhooks.egress.resolver import Resolver
from winnerr_webhooks.ids import Ids, Jitter
from winnerr_webhooks.management.replays import Replays
from winnerr_webhooks.management.sign_in import PAGE
from winnerr_webhooks.management.webhooks import Webhooks
from winnerr_webhooks.pipeline.node import Node
from winnerr_webhooks.settings_page.app import SettingsPage
from winnerr_webhooks.settings_page.page import Page
from winnerr_webhooks.settings_page.session import Identify
from winnerr_webhooks.storage.sqlite import SqliteStorage
from winnerr_webhooks.telemetry import Metrics

HEADER_PREFIX = "Winnerr"
"""Of the `X-…` headers and the User-Agent; another product brings its own."""
SWITCH_INTERVAL = 0.0005
"""Seconds a thread may hold the interpreter; Python's 5 ms make the storage thread wait ten
times as long as its work takes (docs/adr/0001)."""
GRACE = 10
"""Seconds that API requests under way get to finish when stopping."""


async def open_storage(config: Config, *, exclusive: bool) -> SqliteStorage:
    """Open the database, creating or upgrading it; `exclusive` for `serve` alone.

    `ConfigurationError` when it cannot be used, or its secrets cannot be opened.
    """
    if not config.database_url.startswith("sqlite:"):
        raise ConfigurationError(
            "WINNERR_WEBHOOKS_DATABASE_URL: this version stores in SQLite only; "
            "use sqlite:///path/to/file.db"
        )
    path = database_path(config)
    return await SqliteStorage.open(
        path,
        clock=SystemClock(),
        keyring=await asyncio.to_thread(_keyring, config, path, exclusive=exclusive),
        exclusive=exclusive,
        disable_after_days=config.disable_after_days,
    )


def _keyring(config: Config, path: Path, *, exclusive: bool) -> Sealer:
    if config.encryption_keys:
        return Keyring(config.encryption_keys)
    key_file = path.with_name(path.name + ".keys")
    try:
        keys = load_or_create_key_file(key_file, create=not SqliteStorage.has_secrets(path))
    except ConfigurationError as error:
        if exclusive:
            raise
        return NoKeyring(str(error))  # `keys` and `login-link` need the database only
    return Keyring(keys, str(key_file))


async def serve(
    config: Config,
    *,
    on_started: Callable[[str], None] | None = None,
    identify: Identify | None = None,
) -> None:
    """Run everything in one process until SIGTERM or SIGINT; return when all is in order.

    `identify` lets a CRM say who its own signed-in user is on the settings page.
    """
    sys.setswitchinterval(SWITCH_INTERVAL)
    _raise_file_limit()
    listener = _listen(config)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(listener.close)
        clock, jitter, metrics = SystemClock(), Jitter(), Metrics()
        ids = Ids(clock)
        storage = await open_storage(config, exclusive=True)
        stack.push_async_callback(storage.close)
        policy = AddressPolicy(
            allow=config.allow_networks,
            deny=config.deny_networks,
            nat64=config.nat64_prefixes,
            allow_http=config.allow_http,
        )
        resolver = Resolver(clock=clock)
        stack.push_async_callback(resolver.close)
        egress = EgressClient(
            policy=policy, resolver=resolver, clock=clock, timeout=config.delivery_timeout
        )
        stack.push_async_callback(egress.close)
        node = Node(
            config,
            storage,
            egress,
            header_prefix=HEADER_PREFIX,
            clock=clock,
            ids=ids,
            jitter=jitter,
            metrics=metrics,
        )
        webhooks = Webhooks(
            config=config,
            storage=storage,
            intake=node.intake,
            catalog=CATALOG,
            policy=policy,
            resolver=resolver,
            clock=clock,
            ids=ids,
            wakes=node,
        )
        replays = Replays(storage=storage, catalog=CATALOG, wakes=node)
        settings_page = SettingsPage(
            Page(
                config=config,
                clock=clock,
                ids=ids,
                catalog=CATALOG,
                storage=storage,
                webhooks=webhooks,
                replays=replays,
                header_prefix=HEADER_PREFIX,
                identify=identify,
            )
        )
        app = create_app(
            Services(
                config=config,
                clock=clock,
                ids=ids,
                catalog=CATALOG,
                storage=storage,
                intake=node.intake,
                webhooks=webhooks,
                replays=replays,
                metrics=metrics,
                node=node,
            ),
            beside={PAGE: settings_page},
        )
        await node.start()
        stack.push_async_callback(node.stop)
        server = Server(
            uvicorn.Config(
                app,
                http=Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=GRACE,
            )
        )
        serving = loop.create_task(server.serve(sockets=[listener]))
        gc.collect()
        gc.freeze()
        if on_started is not None:
            host = f"[{config.host}]" if ":" in config.host else config.host
            on_started(f"http://{host}:{listener.getsockname()[1]}")
        stopped = loop.create_task(stop.wait())
        await asyncio.wait((serving, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        settings_page.stop()
        server.should_exit = True
        await serving


def _listen(config: Config) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        listener = socket.create_server((config.host, config.port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigurationError(
            f"WINNERR_WEBHOOKS_HOST, WINNERR_WEBHOOKS_PORT: cannot listen on "
            f"{config.host}:{config.port}: {error.strerror}"
        ) from None
    listener.setblocking(False)
    return listener


def _raise_file_limit() -> None:
    """Take as many file descriptors as we may have: every connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
