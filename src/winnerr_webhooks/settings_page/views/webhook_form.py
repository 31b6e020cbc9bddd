"""The form that adds or edits a webhook.

A form that is refused comes back with its input and an error beside each wrong field.
"""

from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from winnerr_webhooks.domain.errors import Conflict, Invalid
from winnerr_webhooks.domain.event_pattern import ALL_EVENTS
from winnerr_webhooks.domain.webhook import Webhook
from winnerr_webhooks.ids import new_secret
from winnerr_webhooks.management.webhook_management import WebhookDraft, WebhookPatch
from winnerr_webhooks.settings_page.event_choices import category_choices, without_covered
from winnerr_webhooks.settings_page.forms import Form, FormErrors
from winnerr_webhooks.settings_page.page_context import (
    PageContext,
    PageDependency,
    PageRequest,
    form_of,
    redirect,
)

_FIELDS: Final = {
    "url": "url",
    "events": "events",
    "secret": "secret",
    "description": "description",
}
"""The id of each field's input, in the order of the form."""


class FormInput(msgspec.Struct, kw_only=True):
    """The values of the form's fields."""

    url: str = ""
    events: tuple[str, ...] = ()
    secret: str = ""
    description: str = ""

    def __repr__(self) -> str:
        """The input without its secret, which must not get into logs."""
        return f"FormInput({self.url!r})"

    @property
    def all_events(self) -> bool:
        """Whether all events are chosen, including those added later."""
        return ALL_EVENTS in self.events


@get("/new", admin=True)
async def show_new(page: PageDependency, request: PageRequest) -> Response[str]:
    """Show an empty form."""
    return _answer(page, request, FormInput(), None)


@post("/new")
async def create(page: PageDependency, request: PageRequest) -> Response[str]:
    """Create a webhook, or show the form again with its errors."""
    form = form_of(request)
    form_input = _read(form)
    if form.has("generate"):
        form_input.secret = new_secret()
        return _answer(page, request, form_input, None)
    draft = WebhookDraft(
        url=form_input.url,
        events=list(form_input.events),
        secret=form_input.secret or None,
        description=form_input.description,
    )
    try:
        saved = await page.webhooks.create(request.auth.organization, draft)
    except Invalid as refusal:
        return _answer(page, request, form_input, None, FormErrors(refusal))
    except Conflict as refusal:
        return _answer(page, request, form_input, None, FormErrors(Invalid(refusal.detail)))
    page.audit("webhook created", request.auth, webhook=saved.webhook.id)
    return redirect(f"/{saved.webhook.id}?done=created")


@get("/{webhook:str}/edit", admin=True)
async def show_edit(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Show the form with the webhook's current values."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    form_input = FormInput(url=found.url, events=found.events, description=found.description or "")
    return _answer(page, request, form_input, found)


@post("/{webhook:str}/edit")
async def edit(page: PageDependency, request: PageRequest, webhook: FromPath[str]) -> Response[str]:
    """Save the changes, or show the form again with its errors."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    form_input = _read(form_of(request))
    patch = WebhookPatch(
        url=form_input.url if form_input.url != found.url else msgspec.UNSET,
        events=list(form_input.events),
        description=form_input.description,
    )
    try:
        await page.webhooks.change(request.auth.organization, webhook, patch)
    except Invalid as refusal:
        return _answer(page, request, form_input, found, FormErrors(refusal))
    page.audit("webhook edited", request.auth, webhook=webhook)
    return redirect(f"/{webhook}?done=saved")


@post("/check-url", status_code=200)
async def check_url(page: PageDependency, request: PageRequest) -> dict[str, Any]:
    """Check a URL as saving would. The form calls this when the user leaves the field."""
    try:
        warnings = await page.webhooks.check_url(form_of(request).text("url"))
    except Invalid as refusal:
        return {"ok": False, "message": refusal.detail}
    return {"ok": True, "message": " ".join(warnings)}


@post("/generate-secret", status_code=200)
async def generate_secret() -> dict[str, str]:
    """Generate a secret. It is not stored until the form is saved."""
    return {"secret": new_secret()}


def _read(form: Form) -> FormInput:
    return FormInput(
        url=form.text("url"),
        events=without_covered(form.all("events")),
        secret=form.text("secret"),
        description=form.text("description"),
    )


def _answer(
    page: PageContext,
    request: PageRequest,
    form_input: FormInput,
    webhook: Webhook | None,
    errors: FormErrors | None = None,
) -> Response[str]:
    errors = errors or FormErrors()
    return page.answer(
        "webhook_form.html",
        request.auth,
        status=422 if errors else 200,
        tab="webhooks",
        form_input=form_input,
        webhook=webhook,
        categories=category_choices(page.catalog, form_input.events),
        selected=len(page.catalog.chosen(form_input.events)),
        total=len(page.catalog.names),
        errors=errors.by_field,
        summary=errors.in_order(_FIELDS),
    )


ROUTES = (show_new, create, show_edit, edit, check_url, generate_secret)
