"""The settings page as a browser sees it: the real application on a real database."""

import contextlib
import copy
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cached_property
from html import unescape
from html.parser import HTMLParser
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.compiled_templates import compile_once
from yarl import URL

from winnerr_webhooks.api.http.http_server import HttpServer
from winnerr_webhooks.api.http_app import HttpApp
from winnerr_webhooks.budgets import Budgets, derive
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import Config, EncryptionKey
from winnerr_webhooks.crypto import Keyring
from winnerr_webhooks.domain.attempt import AttemptRecord, Exchange, Timings
from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.event import Accepted, NewEvent, encode_payload
from winnerr_webhooks.domain.verdict import Verdict
from winnerr_webhooks.domain.webhook import Webhook
from winnerr_webhooks.egress.address_policy import AddressPolicy
from winnerr_webhooks.egress.client import EgressClient
from winnerr_webhooks.egress.resolver import DnsResolver
from winnerr_webhooks.egress.tls import client_context
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.management.alert_management import AlertManagement
from winnerr_webhooks.management.receiver_checks import ReceiverChecks
from winnerr_webhooks.management.recoveries import Recoveries
from winnerr_webhooks.management.rehearsals import Rehearsals
from winnerr_webhooks.management.replay_requests import Replays
from winnerr_webhooks.management.webhook_drafts import WebhookDraft
from winnerr_webhooks.management.webhook_management import WebhookManagement
from winnerr_webhooks.pipeline.access_tokens import AccessTokens
from winnerr_webhooks.settings_page import page_app
from winnerr_webhooks.settings_page.page_app import SettingsPage
from winnerr_webhooks.settings_page.page_context import PageContext
from winnerr_webhooks.settings_page.theme import load_theme
from winnerr_webhooks.storage.road_values import Claim, LeaseTerms, Settlement
from winnerr_webhooks.storage.sqlite import SqliteStorage

BASE = "/settings/webhooks"
ORGANIZATION = "org_1"


class StubNode:
    """Stands in for the node: it stores events and delivers nothing."""

    def __init__(self, storage: SqliteStorage) -> None:
        self.storage = storage
        self.tests: list[LeasedDelivery] = []
        self.due = 0

    async def send_test(self, event: NewEvent, webhook_id: str) -> Accepted:
        accepted = await self.storage.send_test(event, webhook_id, LeaseTerms(seconds=60))
        self.tests += accepted.leased
        return accepted

    def webhook_changed(self, webhook_id: str) -> None:
        pass

    def work_requested(self, webhook_id: str | None = None) -> None:
        self.due += 1


class TagParser(HTMLParser):
    """Collects the start tags of a document."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))


class Document:
    """An answer of the page, with its text, tags and controls."""

    def __init__(self, status: int, headers: Any, text: str, url: str) -> None:
        self.status = status
        self.headers = headers
        self.html = text
        self.url = url

    @cached_property
    def tags(self) -> list[tuple[str, dict[str, str]]]:
        """Every start tag with its attributes. Many tests do not ask for them."""
        return TagParser(self.html).tags

    @property
    def text(self) -> str:
        bare = re.sub(r"<(script|style)\b.*?</\1>", "", self.html, flags=re.DOTALL)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", bare)).split())

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        """The attributes of every tag with this name that has all the wanted attributes."""
        return [
            attributes
            for name, attributes in self.tags
            if name == tag and all(attributes.get(k) == v for k, v in wanted.items())
        ]

    def has_button(self, name: str) -> bool:
        found = re.findall(r"<button[^>]*>(.*?)</button>", self.html, re.DOTALL)
        return name in [" ".join(re.sub(r"<[^>]+>", "", text).split()) for text in found]

    @property
    def csrf(self) -> str:
        return self.all("input", name="csrf")[0]["value"]


class Browser:
    """A browser: it keeps cookies, follows redirects and sends forms as browsers do."""

    def __init__(self, site: "Site") -> None:
        self.site = site
        self.session = aiohttp.ClientSession(
            f"http://127.0.0.1:{site.port}", cookie_jar=aiohttp.CookieJar(unsafe=True)
        )
        self._csrf: dict[str, str] = {}
        """The token of the Webhooks tab, by the cookies with which it was asked for."""

    async def get(self, path: str = "", **options: Any) -> Document:
        async with self.session.get(self.path(path), **options) as response:
            return await self._document(response)

    async def post(
        self, path: str, fields: Any = (), *, csrf: str | None = None, **options: Any
    ) -> Document:
        """Send a form. Its CSRF token comes from the Webhooks tab, unless one is given."""
        pairs = list(fields.items() if isinstance(fields, dict) else fields)
        if csrf is None:
            csrf = self._csrf.get(self._cookies) or (await self.get()).csrf
            self._csrf[self._cookies] = csrf
        headers = {"Sec-Fetch-Site": "same-origin", "Origin": "null"} | options.pop("headers", {})
        async with self.session.post(
            self.path(path), data=[*pairs, ("csrf", csrf)], headers=headers, **options
        ) as response:
            return await self._document(response)

    @property
    def _cookies(self) -> str:
        page = URL(f"http://127.0.0.1:{self.site.port}{BASE}/")
        return str(self.session.cookie_jar.filter_cookies(page))

    async def sign_in(self, role: str = "admin", organization: str = ORGANIZATION) -> "Browser":
        link = await self.site.page.sign_in.create_link(organization, role, "Jane")
        await self.post(link.url.partition(BASE)[2], csrf="")
        return self

    @staticmethod
    def path(path: str) -> str:
        return path if path.startswith("/settings") else BASE + path

    @staticmethod
    async def _document(response: aiohttp.ClientResponse) -> Document:
        text = await response.text()
        return Document(response.status, response.headers, text, str(response.url))


class Site:
    """A running settings page, with methods that accept events and record attempts."""

    def __init__(self, page: PageContext, node: StubNode, port: int) -> None:
        self.page = page
        self.storage = page.storage
        self.node = node
        self.port = port
        self.browsers: list[Browser] = []

    def browser(self) -> Browser:
        self.browsers.append(Browser(self))
        return self.browsers[-1]

    async def webhook(self, **fields: Any) -> Webhook:
        draft = {"url": "http://127.0.0.1:9/hook", "events": ["*"]} | fields
        organization = draft.pop("organization", ORGANIZATION)
        saved = await self.page.webhooks.create(organization, WebhookDraft(**draft))
        return saved.webhook

    async def event(
        self, name: str = "contact.created", data: bytes = b'{"id":"c1","name":"Jane"}'
    ) -> list[LeasedDelivery]:
        """Accept an event; returns its deliveries, leased."""
        new = NewEvent(
            id=self.page.ids.new("evt"),
            organization=ORGANIZATION,
            name=name,
            body=encode_payload(name, "2027-01-15T08:00:00Z", ORGANIZATION, data),
        )
        (accepted,) = await self.storage.accept([new], LeaseTerms(seconds=60))
        return list(accepted.leased)

    async def claim(self) -> list[LeasedDelivery]:
        """Lease what is due, as a node does."""
        due = await self.storage.due_lanes(None, 100)
        limits = {one.webhook_id: 100 for one in due.lanes}
        claim = Claim(lease_seconds=60, limits=limits, max_bytes=1 << 26)
        return (await self.storage.claim(claim)).deliveries

    async def settle(
        self, delivery: LeasedDelivery, status: int | None = 200, **fields: Any
    ) -> str:
        """Record an invented attempt of a delivery; returns its id."""
        settlement = self.settlement(delivery, status, **fields)
        await self.storage.settle([settlement])
        return settlement.record.id

    def settlement(
        self, delivery: LeasedDelivery, status: int | None = 200, **fields: Any
    ) -> Settlement:
        succeeded = status == 200
        happened = fields.pop("happened", "success" if succeeded else "retry")
        retry_in = fields.pop("retry_in", 60.0) if happened == "retry" else None
        kind = fields.pop("kind", "status")
        message = fields.pop("message", f"{status} Made Up")
        record = AttemptRecord(
            id=self.page.ids.new("att"),
            outcome="succeeded" if succeeded else "failed",
            url="http://127.0.0.1:9/hook",
            request_head=b"POST /hook HTTP/1.1\r\nHost: 127.0.0.1:9\r\nX-Winnerr-Attempt: 1\r\n",
            exchange=Exchange(
                started_at=self.page.now(),
                duration_ms=fields.pop("duration_ms", 84.2),
                timings=Timings(dns_ms=0.4, connect_ms=1.0, first_byte_ms=80.0),
                status=status,
                reason="" if status is None else "Made Up",
                response_head=fields.pop("response_head", b"content-type: text/html\r\n"),
                response_body=fields.pop("body", b"ok"),
                **fields,
            ),
            error_kind=None if succeeded else kind,
            error_message="" if succeeded else message,
        )
        return Settlement(
            delivery=delivery,
            record=record,
            verdict=Verdict(happened=happened, retry_in=retry_in),
        )


compile_once()
TLS = client_context()
"""Made once: it loads the certificates of all authorities."""
_made: list[SettingsPage] = []


def page_app_of(page: PageContext) -> SettingsPage:
    """The page's application; its routes, which take long to make, are made once for all sites.

    Its tests run one site at a time.
    """
    if not _made:
        _made.append(SettingsPage(page))
    app = copy.copy(_made[0])
    app._page = app._app.state.page = page
    app._headers = page_app._security_headers(page.config)
    return app


MakeSite = Callable[..., Awaitable[Site]]


@pytest.fixture
async def make_site(sqlite_path: Path) -> AsyncIterator[MakeSite]:
    """Run a settings page with these settings and this `identify`."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(*, identify: Any = None, **settings: Any) -> Site:
            clock = SystemClock()
            ids = Ids(clock)
            storage = await SqliteStorage.open(
                sqlite_path,
                clock=clock,
                keyring=Keyring((EncryptionKey("k1", bytes(32)),)),
                exclusive=True,
            )
            stack.push_async_callback(storage.close)
            resolver = DnsResolver(clock=clock)
            stack.push_async_callback(resolver.close)
            listener = socket.create_server(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            config = Config(
                **{"allow_http": True, "public_url": f"http://127.0.0.1:{port}"} | settings
            )
            node = StubNode(storage)
            budgets = Budgets(derive(config, 20_000), clock)
            policy = AddressPolicy(allow=(ip_network("127.0.0.0/8"),), allow_http=True)
            egress = EgressClient(
                policy=policy,
                resolver=resolver,
                clock=clock,
                timeout=config.delivery_timeout,
                kept=budgets.kept_connections,
                new_context=lambda: TLS,
            )
            stack.push_async_callback(egress.close)
            catalog = copy.copy(CATALOG)  # tests may exchange it
            webhooks = WebhookManagement(
                config=config,
                storage=storage,
                intake=node,
                catalog=catalog,
                policy=policy,
                resolver=resolver,
                clock=clock,
                ids=ids,
                signals=node,
            )
            page = PageContext(
                config=config,
                clock=clock,
                ids=ids,
                catalog=catalog,
                storage=storage,
                webhooks=webhooks,
                replays=Replays(storage=storage, catalog=catalog, signals=node),
                recoveries=Recoveries(
                    storage=storage, signals=node, clock=clock, ids=ids, concurrency=16
                ),
                alerts=AlertManagement(storage),
                rehearsals=Rehearsals(storage=storage, webhooks=webhooks, signals=node, ids=ids),
                receiver_checks=ReceiverChecks(
                    config=config,
                    egress=egress,
                    tokens=AccessTokens(
                        egress,
                        timeout=config.delivery_timeout,
                        branding=config.branding,
                        clock=clock,
                    ),
                    catalog=catalog,
                    clock=clock,
                    ids=ids,
                    budgets=budgets,
                ),
                budgets=budgets,
                branding=config.branding,
                theme=load_theme(config),
                identify=identify,
            )
            app = page_app_of(page)
            server = HttpServer(
                HttpApp(app, None),
                clock=clock,
                connections_in=page.budgets.connections_in,
                descriptors=20_000,
            )
            await server.start(listener, backlog=100)
            site = Site(page, node, port)

            async def end() -> None:
                for browser in site.browsers:
                    await browser.session.close()
                app.stop()
                await server.stop(5)

            stack.push_async_callback(end)
            return site

        yield make


@pytest.fixture
async def site(make_site: MakeSite) -> Site:
    return await make_site()


@pytest.fixture
async def admin(site: Site) -> Browser:
    return await site.browser().sign_in()


@pytest.fixture
async def viewer(site: Site) -> Browser:
    return await site.browser().sign_in("viewer")
