"""The parts of a node that the handlers of the REST API use; `web_wiring` puts them together."""

from litestar.di import NamedDependency

from winnerr_webhooks.api.auth import Authenticator
from winnerr_webhooks.budgets import Budgets
from winnerr_webhooks.clock import Clock
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.branding import Branding
from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.management.alert_management import AlertManagement
from winnerr_webhooks.management.listeners import Listeners
from winnerr_webhooks.management.recoveries import Recoveries
from winnerr_webhooks.management.rehearsals import Rehearsals
from winnerr_webhooks.management.replay_requests import Replays
from winnerr_webhooks.management.webhook_management import WebhookManagement
from winnerr_webhooks.pipeline.listener_hub import ListenerHub
from winnerr_webhooks.storage.port import Storage


class Services:
    """Everything that a handler may use.

    This is a plain class because Litestar would validate each field of a dataclass or a Struct.
    """

    def __init__(
        self,
        *,
        config: Config,
        clock: Clock,
        ids: Ids,
        catalog: Catalog,
        storage: Storage,
        authenticator: Authenticator,
        webhooks: WebhookManagement,
        replays: Replays,
        listeners: Listeners,
        listener_hub: ListenerHub,
        recoveries: Recoveries,
        rehearsals: Rehearsals,
        alerts: AlertManagement,
        budgets: Budgets,
        branding: Branding,
    ) -> None:
        self.config = config
        self.clock = clock
        self.ids = ids
        self.catalog = catalog
        self.storage = storage
        self.authenticator = authenticator
        self.webhooks = webhooks
        self.replays = replays
        self.listeners = listeners
        self.listener_hub = listener_hub
        self.recoveries = recoveries
        self.rehearsals = rehearsals
        self.alerts = alerts
        self.budgets = budgets
        self.branding = branding


ServicesDependency = NamedDependency[Services]
"""The type of a handler's parameter `services`, through which Litestar injects them."""
