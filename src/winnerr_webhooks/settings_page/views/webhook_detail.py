"""The page of one webhook in four parts: overview, deliveries, settings and signing."""

from typing import Any, Final

from litestar import Response, get
from litestar.params import FromPath, FromQuery

from winnerr_webhooks.domain.ed25519_keys import ED25519, HMAC
from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.event_pattern import ALL_EVENTS
from winnerr_webhooks.domain.retry import waits_of
from winnerr_webhooks.domain.webhook import ACTIVE, Webhook
from winnerr_webhooks.ids import is_id
from winnerr_webhooks.settings_page.filters import OUTCOMES
from winnerr_webhooks.settings_page.health_summary import WebhookOverview, webhook_overviews
from winnerr_webhooks.settings_page.log_rows import make_rows
from winnerr_webhooks.settings_page.page_context import PageContext, PageDependency, PageRequest
from winnerr_webhooks.settings_page.remedies import remedy_values
from winnerr_webhooks.settings_page.session import Visitor
from winnerr_webhooks.settings_page.snippets import snippets
from winnerr_webhooks.settings_page.traffic_view import (
    PERCENTILES,
    WINDOWS,
    make_view,
    traffic_query,
    window_named,
)
from winnerr_webhooks.storage.values import Delivery, LogFilter

OVERVIEW: Final = ""
DELIVERIES: Final = "/deliveries"
SETTINGS: Final = "/settings"
SIGNING: Final = "/signing"
"""Each part by the end of its address."""

_RECENT_ATTEMPTS: Final = 10
_LISTED_ATTEMPTS: Final = 50
_RECENT_JOBS: Final = 3


@get("/{webhook:str}")
async def show_webhook(
    page: PageDependency,
    request: PageRequest,
    webhook: FromPath[str],
    done: FromQuery[str] = "",
    test: FromQuery[str] = "",
) -> Response[str]:
    """Show how a webhook does.

    `test` is the delivery id of a test event whose result to show. The parameter `time` is the name
    of one of `WINDOWS`; any other value counts as the usual one.
    """
    found = await page.webhooks.get(request.auth.organization, webhook)
    warnings = await _url_warnings(page, found.url) if done == "created" else ()
    async with page.turn(found.organization):
        values = await part_values(page, request.auth, found, OVERVIEW)
        if is_id("dlv", test):
            values["test"] = await _test_values(page, found.organization, test)
        query = LogFilter(organization=found.organization, webhook=found.id, limit=_RECENT_ATTEMPTS)
        recent = await page.storage.log(query)
        window = window_named(request.query_params.get("time", ""))
        wanted = traffic_query(found.organization, found.id, window, page.now())
        traffic = await page.storage.traffic(wanted)
        secret = await _revealed(page, request, found)
        values |= {
            "warnings": warnings,
            "secret": secret,
            "public_key": await _public_key(page, found) if done == "created" else None,
            "rows": make_rows(page, recent.items, [found]),
            "traffic": make_view(window, wanted, traffic),
            "windows": WINDOWS,
            "percentile_names": [name for _, name in PERCENTILES],
        }
        answer = await page.answer_in_thread(
            "webhook_overview.html", request.auth, done=done, **values
        )
    if secret:
        answer.headers["Set-Cookie"] = page.auth.used_reveal_cookie()
    return answer


@get("/{webhook:str}/deliveries")
async def show_deliveries(
    page: PageDependency,
    request: PageRequest,
    webhook: FromPath[str],
    outcome: FromQuery[str] = "",
    before: FromQuery[str] = "",
) -> Response[str]:
    """Show a webhook's attempts, newest first, and what was recovered.

    `outcome` is one of `OUTCOMES`, and `before` an attempt's id; any other value counts as none.
    """
    found = await page.webhooks.get(request.auth.organization, webhook)
    outcome = outcome if outcome in dict(OUTCOMES) else ""
    before = before if is_id("att", before) else ""
    query = LogFilter(
        organization=found.organization,
        webhook=found.id,
        outcome=outcome or None,
        before=before or None,
        limit=_LISTED_ATTEMPTS,
    )
    async with page.turn(found.organization):
        values = await part_values(page, request.auth, found, DELIVERIES)
        attempts = await page.storage.log(query)
        jobs = await page.recoveries.jobs(found.organization, found.id)
        return await page.answer_in_thread(
            "webhook_deliveries.html",
            request.auth,
            done="",
            rows=make_rows(page, attempts.items, [found]),
            next=attempts.next,
            outcome=outcome,
            outcomes=OUTCOMES,
            before=before,
            jobs=jobs[:_RECENT_JOBS],
            **values,
        )


@get("/{webhook:str}/settings")
async def show_settings(
    page: PageDependency, request: PageRequest, webhook: FromPath[str], done: FromQuery[str] = ""
) -> Response[str]:
    """Show what a webhook gets, and how it is delivered."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    values = await part_values(page, request.auth, found, SETTINGS)
    if done == "saved":
        values["warnings"] = await _url_warnings(page, found.url)
    return page.answer(
        "webhook_settings.html",
        request.auth,
        done=done,
        all_events=found.events == (ALL_EVENTS,),
        subscriptions=[(pattern, page.catalog.chosen([pattern])) for pattern in found.events],
        delivery={
            "timeout": f"{found.timeout or page.config.delivery_timeout:g}",
            "waits": waits_of(found.retry_schedule, page.config.retry_schedule),
        },
        **values,
    )


@get("/{webhook:str}/signing")
async def show_signing(
    page: PageDependency, request: PageRequest, webhook: FromPath[str], done: FromQuery[str] = ""
) -> Response[str]:
    """Show how a webhook's requests are signed; right after a form that asks for it, the secret."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    values = await signing_values(page, request.auth, found)
    values["secret"] = await _revealed(page, request, found)
    answer = page.answer("webhook_signing.html", request.auth, done=done, **values)
    if values["secret"]:
        answer.headers["Set-Cookie"] = page.auth.used_reveal_cookie()
    return answer


async def _revealed(page: PageContext, request: PageRequest, found: Webhook) -> str | None:
    """The secret, right after a form that asks for it; the answer then ends its cookie."""
    shows_secret = (
        found.has_secret
        and found.signing == HMAC
        and request.auth.is_admin
        and page.auth.takes_reveal(request.scope, request.auth, found.id)
    )
    if not shows_secret:
        return None
    secret = await page.webhooks.reveal_secret(found.organization, found.id)
    page.audit("signing key revealed", request.auth, webhook=found.id)
    return secret


async def _public_key(page: PageContext, found: Webhook) -> str | None:
    if not found.has_secret or found.signing != ED25519:
        return None
    return await page.webhooks.public_key(found.organization, found.id)


async def signing_values(page: PageContext, visitor: Visitor, found: Webhook) -> dict[str, Any]:
    """The values of the part about signing, without a secret and without errors."""
    return await part_values(page, visitor, found, SIGNING) | {
        "snippets": snippets(page.environment, found.url, page.branding),
        "header": page.branding.signature_header,
        "secret": None,
        "public_key": await _public_key(page, found),
        "errors": None,
    }


async def part_values(
    page: PageContext, visitor: Visitor, found: Webhook, part: str
) -> dict[str, Any]:
    """The values that every part of a webhook's page needs."""
    missed = 0
    if found.status != ACTIVE:
        missed = await page.storage.cancelled(found.organization, found.id)
    overview = await read_overview(page, found)
    remedy = {}
    if part in {OVERVIEW, DELIVERIES}:
        remedy = await remedy_values(page, overview, is_admin=visitor.is_admin)
    return remedy | {
        "tab": "webhooks",
        "part": part,
        "webhook": found,
        "overview": overview,
        "missed": missed,
        "events": page.catalog.chosen(found.events) or page.catalog.chosen([ALL_EVENTS]),
        "warnings": (),
        "test": None,
        "is_admin": visitor.is_admin,
    }


async def read_overview(page: PageContext, webhook: Webhook) -> WebhookOverview:
    """A webhook with its state. Its health is empty: that would be read of all webhooks."""
    states = await page.storage.webhook_states(webhook.organization)
    (overview,) = webhook_overviews([webhook], states, [], page.now())
    return overview


async def _url_warnings(page: PageContext, url: str) -> tuple[str, ...]:
    """The warnings about a URL that was just saved. They are not stored, so check it again."""
    try:
        return await page.webhooks.check_url(url)
    except Invalid:
        return ()


async def _test_values(
    page: PageContext, organization: str, delivery_id: str
) -> dict[str, Any] | None:
    delivery: Delivery | None = await page.storage.delivery(organization, delivery_id)
    if delivery is None:
        return None
    return {"delivery": delivery, "attempt": delivery.attempts[-1] if delivery.attempts else None}


ROUTES = (show_webhook, show_deliveries, show_settings, show_signing)
