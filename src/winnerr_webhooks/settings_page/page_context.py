"""What every view of the settings page gets: services, rendering, answers and the audit log."""

import asyncio
from collections.abc import Callable, Sequence
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
from winnerr_webhooks.domain.branding import Branding
from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.management.alert_management import AlertManagement
from winnerr_webhooks.management.page_options import PAGE
from winnerr_webhooks.management.page_sign_in import PageSignIn
from winnerr_webhooks.management.receiver_checks import ReceiverChecks
from winnerr_webhooks.management.recoveries import Recoveries
from winnerr_webhooks.management.rehearsals import Rehearsals
from winnerr_webhooks.management.replay_requests import Replays
from winnerr_webhooks.management.webhook_management import WebhookManagement
from winnerr_webhooks.settings_page.assets import Assets
from winnerr_webhooks.settings_page.forms import Form
from winnerr_webhooks.settings_page.languages import Language, Languages
from winnerr_webhooks.settings_page.session import Identify, Visitor, VisitorAuth
from winnerr_webhooks.settings_page.shared_polls import SharedPolls
from winnerr_webhooks.settings_page.templating import make_environment
from winnerr_webhooks.settings_page.theme import Theme
from winnerr_webhooks.storage.fair_semaphore import FairSemaphore
from winnerr_webhooks.storage.port import Storage

PageRequest = Request[Visitor, Any, Any]

SEE_OTHER: Final = 303
_BASE: Final = PAGE
T = TypeVar("T")

audit_log = structlog.get_logger("winnerr_webhooks.audit")


class PageContext:
    """The services of a node's settings page, and how its views answer.

    A plain class, because the framework would take a Struct apart.
    """

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
        recoveries: Recoveries,
        rehearsals: Rehearsals,
        alerts: AlertManagement,
        receiver_checks: ReceiverChecks,
        budgets: Budgets,
        branding: Branding,
        theme: Theme,
        identify: Identify | None = None,
    ) -> None:
        self.config = config
        self.clock = clock
        self.ids = ids
        self.catalog = catalog
        self.storage = storage
        self.webhooks = webhooks
        self.replays = replays
        self.recoveries = recoveries
        self.rehearsals = rehearsals
        self.alerts = alerts
        self.receiver_checks = receiver_checks
        self.budgets = budgets
        self.branding = branding
        self.theme = theme
        self.sign_in = PageSignIn(storage=storage, clock=clock, public_url=config.public_url)
        self.auth = VisitorAuth(config, self.sign_in, identify)
        self.assets = Assets(_BASE, theme.files)
        self.environment = make_environment(self.assets.url)
        self.languages = Languages(config.default_language)
        self.stopping = asyncio.Event()
        self.polls = SharedPolls(storage, clock)
        self._turns = FairSemaphore.of(budgets.pages)
        self._renderer = ThreadPoolExecutor(
            budgets.pages.bound.limit, thread_name_prefix="settings-page"
        )

    def stop(self) -> None:
        """End the live logs; all other answers are short and end by themselves."""
        self.stopping.set()
        self._renderer.shutdown(wait=False)

    def now(self) -> int:
        """Wall time in ms since 1970."""
        return self.clock.now_ms()

    def language(self, visitor: Visitor | None) -> Language:
        """The visitor's language; for views that answer with other texts than a template's."""
        return self.languages.get(visitor.language if visitor else self.languages.default)

    async def load_language(self, tag: str) -> None:
        """Load a language in the renderer's thread, so that `render` finds it loaded."""
        if not self.languages.is_loaded(tag):
            await self.run_in_thread(lambda: self.languages.get(tag))

    def render(self, template: str, visitor: Visitor | None, /, **values: Any) -> str:
        """The text of a template with these values.

        `language`, a tag, is given when nobody is signed in; a visitor has their own.
        """
        tag = values.pop("language", None)
        return self.environment.get_template(template).render(
            visitor=visitor,
            now=self.now(),
            brand=self.branding.name,
            theme=self.theme,
            language=self.languages.get(tag) if tag else self.language(visitor),
            frame_ancestors=self.config.frame_ancestors,
            **{"sign_in_url": self.config.sign_in_url, "base": visitor.base if visitor else _BASE}
            | values,
        )

    def turn(self, organization: str) -> AbstractAsyncContextManager[None]:
        """Wait for a turn to make a slow page, and hold it while reading and rendering.

        Slow pages of one organization wait for each other, so its many viewers do not delay
        those of another. `Unavailable` when no turn comes in time.
        """
        return self._turns.slot(organization)

    async def run_in_thread(self, make: Callable[[], T]) -> T:
        """Run slow rendering in the renderer's thread: 500 rows take about 20 ms."""
        if self.stopping.is_set():  # the thread takes no new work, but this request is answered
            return make()
        return await asyncio.get_running_loop().run_in_executor(self._renderer, make)

    async def answer_in_thread(
        self, template: str, visitor: Visitor, /, *, status: int = 200, **values: Any
    ) -> Response[str]:
        """A whole page, rendered in the renderer's thread."""
        text = await self.run_in_thread(lambda: self.render(template, visitor, **values))
        return html_response(text, visitor, self.auth, language=visitor.language, status=status)

    def answer(
        self, template: str, visitor: Visitor | None, /, *, status: int = 200, **values: Any
    ) -> Response[str]:
        """A whole page."""
        text = self.render(template, visitor, **values)
        language = values.get("language") or self.language(visitor).tag
        return html_response(text, visitor, self.auth, language=language, status=status)

    def audit(self, action: str, visitor: Visitor, **values: str | None) -> None:
        """Write to the audit log who did what. Never pass a secret."""
        audit_log.info(
            action,
            organization=visitor.organization,
            user=visitor.user,
            role=visitor.role,
            **values,
        )


PageDependency = NamedDependency[PageContext]
"""The type of a handler's `page` parameter: the framework then passes the context."""


def html_response(
    text: str, visitor: Visitor | None, auth: VisitorAuth, *, language: str, status: int = 200
) -> Response[str]:
    """An HTML answer. A new visitor of an embedding product also gets the CSRF cookie."""
    headers = {"Content-Language": language, "Vary": "Accept-Language, Cookie"}
    seed = visitor.new_csrf_seed if visitor else None
    if seed:
        headers["Set-Cookie"] = auth.csrf_cookie(seed)
    return Response(text, media_type=MediaType.HTML, status_code=status, headers=headers)


def redirect(path: str, *, base: str = _BASE) -> Redirect:
    """Send the browser to another view, with a GET."""
    return Redirect(base + path, status_code=SEE_OTHER)


def set_cookies(answer: Response[Any], cookies: Sequence[str]) -> None:
    """Set several cookies with one answer; `page_app` makes a header of each line."""
    answer.headers["Set-Cookie"] = "\n".join(cookies)


def form_of(request: PageRequest) -> Form:
    """The form of a POST. The guard has read it and has checked its origin and token."""
    form: Form = request.state.form
    return form
