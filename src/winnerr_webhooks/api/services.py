"""The parts of a node that the API's handlers use; `wiring` puts them together."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from litestar.di import NamedDependency

from winnerr_webhooks.budgets import Budgets
from winnerr_webhooks.clock import Clock
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.branding import Branding
from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.domain.errors import WebhooksError
from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.management.listeners import Listeners
from winnerr_webhooks.management.recoveries import Recoveries
from winnerr_webhooks.management.rehearsals import Rehearsals
from winnerr_webhooks.management.replay_requests import Replays
from winnerr_webhooks.management.webhook_management import WebhookManagement
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.pipeline.listener_hub import ListenerHub
from winnerr_webhooks.storage.port import Storage

AnswerCallback = Callable[[Accepted | None, Exception | None], None]
"""Called with the answer to one event, or with the error that it failed with."""


class Intake(Protocol):
    """Stores events (`pipeline.intake`)."""

    def take(self, event: NewEvent, answered: AnswerCallback) -> None:
        """Store one event with its deliveries, then call `answered`; errors may also be raised."""
        ...

    def accept(self, event: NewEvent) -> asyncio.Future[Accepted]:
        """Store one event with its deliveries; `Unavailable` or `Uncertain` when it cannot."""
        ...

    async def accept_many(self, events: Sequence[NewEvent]) -> list[Accepted | WebhooksError]:
        """Store several events; each has its own answer or its own error."""
        ...


class Readiness(Protocol):
    """Knows whether the node can work."""

    def readiness(self) -> str | None:
        """None when the node accepts events; else a sentence that says why not."""
        ...


class PeerMetrics(Protocol):
    """Metrics of all processes that serve on the same port (`processes.peer_metrics`)."""

    async def render_all(self, own: bytes) -> bytes:
        """This process's own metrics and those of the others; each sample names its process."""
        ...


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
        intake: Intake,
        webhooks: WebhookManagement,
        replays: Replays,
        listeners: Listeners,
        listener_hub: ListenerHub,
        recoveries: Recoveries,
        rehearsals: Rehearsals,
        metrics: Metrics,
        budgets: Budgets,
        branding: Branding,
        node: Readiness,
        peer_metrics: PeerMetrics | None = None,
    ) -> None:
        self.config = config
        self.clock = clock
        self.ids = ids
        self.catalog = catalog
        self.storage = storage
        self.intake = intake
        self.webhooks = webhooks
        self.replays = replays
        self.listeners = listeners
        self.listener_hub = listener_hub
        self.recoveries = recoveries
        self.rehearsals = rehearsals
        self.metrics = metrics
        self.budgets = budgets
        self.branding = branding
        self.node = node
        self.peer_metrics = peer_metrics


ServicesDependency = NamedDependency[Services]
"""The type of a handler's parameter `services`, through which Litestar injects them."""
