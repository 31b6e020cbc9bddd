"""Adding and editing a webhook: one form, its errors beside its fields, its input kept."""

from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from winnerr_webhooks.domain.catalog import ALL_EVENTS
from winnerr_webhooks.domain.errors import Conflict, Invalid
from winnerr_webhooks.domain.webhook import Webhook
from winnerr_webhooks.ids import new_secret
from winnerr_webhooks.management.webhook_management import WebhookDraft, WebhookPatch
from winnerr_webhooks.settings_page.forms import Errors, Form
from winnerr_webhooks.settings_page.page_context import Given, Page, PageRequest, form_of, go

_FIELDS: Final = {
    "url": "url",
    "events": "events",
    "secret": "secret",
    "description": "description",
}
"""Field to the id of its input, in the order they are shown."""


class Input(msgspec.Struct, kw_only=True):
    """What the form's fields hold."""

    url: str = ""
    events: tuple[str, ...] = ()
    secret: str = ""
    description: str = ""

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Input({self.url!r})"

    @property
    def all_events(self) -> bool:
        """Whether every event is chosen, future ones too."""
        return ALL_EVENTS in self.events


@get("/new", admin=True)
async def show_new(page: Given, request: PageRequest) -> Response[str]:
    """Show an empty form."""
    return _answer(page, request, Input(), None)


@post("/new")
async def create(page: Given, request: PageRequest) -> Response[str]:
    """Create a webhook, live at once; or show what is wrong with it."""
    form = form_of(request)
    given = _read(form)
    if form.has("generate"):
        given.secret = new_secret()
        return _answer(page, request, given, None)
    draft = WebhookDraft(
        url=given.url,
        events=list(given.events),
        secret=given.secret or None,
        description=given.description,
    )
    try:
        saved = await page.webhooks.create(request.auth.organization, draft)
    except Invalid as refusal:
        return _answer(page, request, given, None, Errors(refusal))
    except Conflict as refusal:
        return _answer(page, request, given, None, Errors(Invalid(refusal.detail)))
    page.record("webhook created", request.auth, webhook=saved.webhook.id)
    return go(f"/{saved.webhook.id}?done=created")


@get("/{webhook:str}/edit", admin=True)
async def show_edit(page: Given, request: PageRequest, webhook: FromPath[str]) -> Response[str]:
    """Show the form as the webhook is."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    given = Input(url=found.url, events=found.events, description=found.description or "")
    return _answer(page, request, given, found)


@post("/{webhook:str}/edit")
async def edit(page: Given, request: PageRequest, webhook: FromPath[str]) -> Response[str]:
    """Save the changes; or show what is wrong with them."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    given = _read(form_of(request))
    patch = WebhookPatch(
        url=given.url if given.url != found.url else msgspec.UNSET,
        events=list(given.events),
        description=given.description,
    )
    try:
        await page.webhooks.change(request.auth.organization, webhook, patch)
    except Invalid as refusal:
        return _answer(page, request, given, found, Errors(refusal))
    page.record("webhook edited", request.auth, webhook=webhook)
    return go(f"/{webhook}?done=saved")


@post("/check-url", status_code=200)
async def check_url(page: Given, request: PageRequest) -> dict[str, Any]:
    """Say what saving would say of a URL: for the form, as one leaves the field."""
    try:
        warnings = await page.webhooks.check_url(form_of(request).text("url"))
    except Invalid as refusal:
        return {"ok": False, "message": refusal.detail}
    return {"ok": True, "message": " ".join(warnings)}


@post("/generate-secret", status_code=200)
async def generate_secret() -> dict[str, str]:
    """Give a new secret, kept nowhere until the form is saved."""
    return {"secret": new_secret()}


def _read(form: Form) -> Input:
    chosen = form.all("events")
    return Input(
        url=form.text("url"),
        # Ticking all beside some means all.
        events=(ALL_EVENTS,) if ALL_EVENTS in chosen else tuple(chosen),
        secret=form.text("secret"),
        description=form.text("description"),
    )


def _answer(
    page: Page,
    request: PageRequest,
    given: Input,
    webhook: Webhook | None,
    errors: Errors | None = None,
) -> Response[str]:
    errors = errors or Errors()
    return page.answer(
        "webhook_form.html",
        request.auth,
        status=422 if errors else 200,
        tab="webhooks",
        given=given,
        webhook=webhook,
        categories=page.catalog.categories,
        total=len(page.catalog.names),
        errors=errors.of,
        summary=errors.listed(_FIELDS),
    )


ROUTES = (show_new, create, show_edit, edit, check_url, generate_secret)
