"""What every view is given: the services, who is asking, and how to answer."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, TypeVar

import structlog
from litestar import MediaType, Request, Response
from litestar.di import NamedDependency
from litestar.response import Redirect

from winnerr_webhooks.budgets import Budgets
from winnerr_webhooks.clock import Clock
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.management.page_sign_in import PAGE, PageSignIn
from winnerr_webhooks.management.replay_requests import Replays
from winnerr_webhooks.management.webhook_management import WebhookManagement
from winnerr_webhooks.settings_page.assets import Assets
from winnerr_webhooks.settings_page.forms import Form
from winnerr_webhooks.settings_page.session import Gate, Identify, Visitor
from winnerr_webhooks.settings_page.shared_polls import SharedLooks
from winnerr_webhooks.settings_page.templating import make_environment
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.storage.turns import Turns

PageRequest = Request[Visitor, Any, Any]

SEE_OTHER: Final = 303
_BASE: Final = PAGE
T = TypeVar("T")

audit = structlog.get_logger("winnerr_webhooks.audit")


class Page:
    """One settings page of a node. A plain class: the framework takes Structs apart."""

    def __init__(
        self,
        *,
        config: Config,
        clock: Clock,
        ids: Ids,
        catalog: Catalog,
        storage: Storage,
        webhooks: WebhookManagement,
        replays: Replays,
        budgets: Budgets,
        header_prefix: str = "Winnerr",
        identify: Identify | None = None,
    ) -> None:
        self.config = config
        self.clock = clock
        self.ids = ids
        self.catalog = catalog
        self.storage = storage
        self.webhooks = webhooks
        self.replays = replays
        self.budgets = budgets
        self.header_prefix = header_prefix
        self.sign_in = PageSignIn(storage=storage, clock=clock, public_url=config.public_url)
        self.gate = Gate(config, self.sign_in, identify)
        self.assets = Assets(_BASE)
        self.environment = make_environment(self.assets.url, _BASE)
        self.stopping = asyncio.Event()
        self.looks = SharedLooks(storage, clock)
        self._turns = Turns.of(budgets.pages)
        self._renderer = ThreadPoolExecutor(
            budgets.pages.bound.limit, thread_name_prefix="settings-page"
        )

    def stop(self) -> None:
        """End the live streams; what is left are short answers."""
        self.stopping.set()
        self._renderer.shutdown(wait=False)

    def now(self) -> int:
        """Wall time in ms."""
        return self.clock.now_ms()

    def render(self, template: str, visitor: Visitor | None, /, **values: Any) -> str:
        """A template's text."""
        return self.environment.get_template(template).render(
            visitor=visitor, now=self.now(), sign_in_url=self.config.sign_in_url, **values
        )

    def turn(self, organization: str) -> AbstractAsyncContextManager[None]:
        """Hold a place to make a page that takes long, from its reads to its text.

        Pages of one organization wait for each other, so that however many are asked for, the
        others share the interpreter with one of them. `Unavailable` when no place comes in time.
        """
        return self._turns.place(organization)

    async def aside(self, make: Callable[[], T]) -> T:
        """What takes long to make, made by a thread of its own: 500 rows take some 20 ms."""
        if self.stopping.is_set():  # the thread takes no more, and requests under way are answered
            return make()
        return await asyncio.get_running_loop().run_in_executor(self._renderer, make)

    async def answer_aside(
        self, template: str, visitor: Visitor, /, **values: Any
    ) -> Response[str]:
        """A whole page that takes long to make."""
        text = await self.aside(lambda: self.render(template, visitor, **values))
        return html(text, visitor, self.gate)

    def answer(
        self, template: str, visitor: Visitor | None, /, *, status: int = 200, **values: Any
    ) -> Response[str]:
        """A whole page."""
        return html(self.render(template, visitor, **values), visitor, self.gate, status=status)

    def record(self, what: str, visitor: Visitor, **values: str | None) -> None:
        """Write who did what into the log; never a secret."""
        audit.info(
            what,
            organization=visitor.organization,
            user=visitor.user,
            role=visitor.role,
            **values,
        )


Given = NamedDependency[Page]
"""How a handler asks for the page."""


def html(text: str, visitor: Visitor | None, gate: Gate, *, status: int = 200) -> Response[str]:
    """An HTML answer, with the cookie a new visitor of an embedding CRM needs."""
    cookie = visitor.new_seed if visitor else None
    headers = {"Set-Cookie": gate.seed_cookie(cookie)} if cookie else {}
    return Response(text, media_type=MediaType.HTML, status_code=status, headers=headers)


def go(path: str) -> Redirect:
    """On to another view, by GET."""
    return Redirect(_BASE + path, status_code=SEE_OTHER)


def form_of(request: PageRequest) -> Form:
    """The form of a POST, whose origin and token the guard has checked."""
    form: Form = request.state.form
    return form
