"""What the API stands on; wiring makes it, handlers are given it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from litestar.di import NamedDependency

from winnerr_webhooks.budgets import Budgets
from winnerr_webhooks.clock import Clock
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.domain.errors import WebhooksError
from winnerr_webhooks.domain.event import Accepted, NewEvent
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.management.replay_requests import Replays
from winnerr_webhooks.management.webhook_management import WebhookManagement
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.storage.port import Storage

Answered = Callable[[Accepted | None, Exception | None], None]
"""Takes the answer to one event, or why there is none."""


class Intake(Protocol):
    """The first station of an event's road, as the API sees it (`pipeline.intake`)."""

    def take(self, event: NewEvent, answered: Answered) -> None:
        """Store one event with its deliveries; raises, or answers, why it cannot."""
        ...

    def accept(self, event: NewEvent) -> asyncio.Future[Accepted]:
        """Store one event with its deliveries; `Unavailable` or `Uncertain` when it cannot."""
        ...

    async def accept_many(self, events: Sequence[NewEvent]) -> list[Accepted | WebhooksError]:
        """Store several; each has its own answer, or its own error."""
        ...


class Readiness(Protocol):
    """Whether the node is at work."""

    def readiness(self) -> str | None:
        """None when events can be accepted; else why not."""
        ...


class PeerMetrics(Protocol):
    """The processes that serve on the same port (`processes.peer_metrics`)."""

    async def render_all(self, own: bytes) -> bytes:
        """This process's metrics and the others', each sample saying whose it is."""
        ...


class Services:
    """Everything a handler may use.

    A plain class: the framework takes a dataclass or a Struct apart to validate it.
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
        metrics: Metrics,
        budgets: Budgets,
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
        self.metrics = metrics
        self.budgets = budgets
        self.node = node
        self.peer_metrics = peer_metrics


Given = NamedDependency[Services]
"""How a handler asks for them: a parameter `services: Given`."""
