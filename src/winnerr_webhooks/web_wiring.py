"""Creates the REST API and the settings page, which a node loads after its start.

This is the only module that imports Litestar's applications and the page, and `wiring` imports it
when the node is ready (`api.deferred_app`).
"""

from typing import Any

from winnerr_webhooks.api.auth import Authenticator
from winnerr_webhooks.api.rest_api import create_rest_api
from winnerr_webhooks.api.services import Services
from winnerr_webhooks.budgets import Budgets
from winnerr_webhooks.clock import Clock
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.egress.address_policy import AddressPolicy
from winnerr_webhooks.egress.client import EgressClient
from winnerr_webhooks.egress.resolver import DnsResolver
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.management.alert_management import AlertManagement
from winnerr_webhooks.management.listeners import Listeners
from winnerr_webhooks.management.page_options import PAGE
from winnerr_webhooks.management.receiver_checks import ReceiverChecks
from winnerr_webhooks.management.recoveries import Recoveries
from winnerr_webhooks.management.rehearsals import Rehearsals
from winnerr_webhooks.management.replay_requests import Replays
from winnerr_webhooks.management.webhook_management import WebhookManagement
from winnerr_webhooks.pipeline.node import Node
from winnerr_webhooks.settings_page.page_app import SettingsPage
from winnerr_webhooks.settings_page.page_context import PageContext
from winnerr_webhooks.settings_page.session import Identify
from winnerr_webhooks.settings_page.theme import Theme
from winnerr_webhooks.storage.port import Storage


class WebApp:
    """Everything that a node answers except for events and probes (ASGI)."""

    def __init__(self, services: Services, settings_page: SettingsPage) -> None:
        self._rest_api = create_rest_api(services)
        self._settings_page = settings_page

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        path = scope["path"]
        is_of_page = path == PAGE or path.startswith(f"{PAGE}/")
        await (self._settings_page if is_of_page else self._rest_api)(scope, receive, send)

    def stop(self) -> None:
        """End the live logs, which would delay the stop of the node."""
        self._settings_page.stop()


def create_web_app(
    *,
    config: Config,
    clock: Clock,
    ids: Ids,
    catalog: Catalog,
    storage: Storage,
    authenticator: Authenticator,
    node: Node,
    egress: EgressClient,
    policy: AddressPolicy,
    resolver: DnsResolver,
    budgets: Budgets,
    theme: Theme,
    identify: Identify | None,
) -> WebApp:
    """Create and connect the parts that only the REST API and the settings page use."""
    branding, signals = config.branding, node.signals
    webhooks = WebhookManagement(
        config=config,
        storage=storage,
        intake=node.intake,
        catalog=catalog,
        policy=policy,
        resolver=resolver,
        clock=clock,
        ids=ids,
        signals=signals,
    )
    replays = Replays(storage=storage, catalog=catalog, signals=signals)
    recoveries = Recoveries(
        storage=storage,
        signals=signals,
        clock=clock,
        ids=ids,
        concurrency=config.webhook_concurrency,
    )
    alerts = AlertManagement(storage)
    rehearsals = Rehearsals(storage=storage, webhooks=webhooks, signals=signals, ids=ids)
    services = Services(
        config=config,
        clock=clock,
        ids=ids,
        catalog=catalog,
        storage=storage,
        authenticator=authenticator,
        webhooks=webhooks,
        replays=replays,
        listeners=Listeners(storage=storage, catalog=catalog, ids=ids, signals=signals),
        listener_hub=node.listeners,
        recoveries=recoveries,
        rehearsals=rehearsals,
        alerts=alerts,
        budgets=budgets,
        branding=branding,
    )
    page = PageContext(
        config=config,
        clock=clock,
        ids=ids,
        catalog=catalog,
        storage=storage,
        webhooks=webhooks,
        replays=replays,
        recoveries=recoveries,
        rehearsals=rehearsals,
        alerts=alerts,
        receiver_checks=ReceiverChecks(
            config=config,
            egress=egress,
            tokens=node.access_tokens,
            catalog=catalog,
            clock=clock,
            ids=ids,
            budgets=budgets,
        ),
        budgets=budgets,
        branding=branding,
        theme=theme,
        identify=identify,
    )
    return WebApp(services, SettingsPage(page))
