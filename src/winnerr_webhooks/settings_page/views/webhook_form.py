"""The form that adds or edits a webhook.

A form that is refused comes back with its input and an error beside each wrong field.
"""

import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from winnerr_webhooks.domain.credentials import MASK
from winnerr_webhooks.domain.ed25519_keys import HMAC
from winnerr_webhooks.domain.errors import Conflict, Invalid, Outdated
from winnerr_webhooks.domain.event_pattern import ALL_EVENTS
from winnerr_webhooks.domain.retry import LONG_SCHEDULE, STANDARD
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.domain.webhook import ACTIVE, PAUSED, Webhook
from winnerr_webhooks.ids import new_secret
from winnerr_webhooks.management.filter_tests import FilterTestDraft, FilterTestResult
from winnerr_webhooks.management.webhook_checks import HIGHEST_RATE, LOWEST_RATE, MOST_RETRIES
from winnerr_webhooks.management.webhook_drafts import (
    AuthDraft,
    RateLimitDraft,
    WebhookDraft,
    WebhookPatch,
)
from winnerr_webhooks.settings_page.event_choices import category_choices, without_covered
from winnerr_webhooks.settings_page.form_versions import (
    Change,
    changes_between,
    known_values,
    new_token,
    read_token,
)
from winnerr_webhooks.settings_page.forms import Form, FormErrors
from winnerr_webhooks.settings_page.languages import Language
from winnerr_webhooks.settings_page.page_context import (
    PageContext,
    PageDependency,
    PageRequest,
    form_of,
    redirect,
)
from winnerr_webhooks.settings_page.views.webhook_detail import SETTINGS

_FIELDS: Final = {
    "url": "url",
    "events": "events",
    "signing": "signing",
    "secret": "secret",
    "name": "name",
    "description": "description",
    "filter": "filter",
    "headers": "headers",
    "auth": "auth",
    "timeout": "timeout",
    "retrySchedule": "waits",
    "rateLimit": "rate",
    "ordered": "order-path",
}
"""The id of each field's input, in the order of the form."""


UNSIGNED: Final = "none"
_UNPROCESSABLE: Final = 422


class FormInput(msgspec.Struct, kw_only=True):
    """The values of the form's fields."""

    url: str = ""
    events: tuple[str, ...] = ()
    secret: str = ""
    description: str = ""
    name: str = ""
    timeout: str = ""
    schedule: str = STANDARD
    """`standard`, `long`, or `own`: then `waits` has it."""
    waits: str = ""
    rate: str = ""
    """Attempts a second; empty: no limit."""
    order: str = ""
    """`one`, `path` (then `order_path` has it), or empty for none."""
    order_path: str = ""
    paused: bool = False
    headers: str = ""
    """A header on each line, as `name: value`."""
    auth: str = ""
    """One of `AUTH_TYPES`, `keep`, or empty for none."""
    username: str = ""
    password: str = ""
    bearer_token: str = ""
    token_url: str = ""
    client_id: str = ""
    client_secret: str = ""
    scope: str = ""
    certificate: str = ""
    private_key: str = ""
    filter: str = ""
    signing: str = HMAC
    """`hmac` or `ed25519`; of a new webhook also `UNSIGNED`."""

    @classmethod
    def of(cls, webhook: Webhook) -> "FormInput":
        """The values that a webhook has now."""
        schedule = webhook.retry_schedule
        is_own = not isinstance(schedule, str)
        return cls(
            url=webhook.url,
            events=webhook.events,
            description=webhook.description or "",
            name=webhook.name or "",
            timeout="" if webhook.timeout is None else f"{webhook.timeout:g}",
            schedule="own" if is_own else str(schedule),
            headers="\n".join(f"{name}: {MASK}" for name in webhook.header_names),
            auth="keep" if webhook.auth_type else "",
            filter=webhook.filter or "",
            signing=webhook.signing,
            waits=", ".join(f"{wait:.15g}" for wait in schedule) if is_own else "",
            rate="" if webhook.rate_limit is None else f"{webhook.rate_limit:.15g}",
            order="" if webhook.order_by is None else "path" if webhook.order_by else "one",
            order_path=webhook.order_by or "",
        )

    def options(self, webhook: Webhook | None = None) -> dict[str, Any]:
        """The options as a draft names them, or a patch of `webhook`."""
        keeps_auth = self.auth == "keep" and webhook is not None
        own = [_number(part) for part in self.waits.split(", ") if part]
        return {
            "description": self.description,
            "name": self.name,
            "timeout": _number(self.timeout) if self.timeout else None,
            "retry_schedule": own if self.schedule == "own" else self.schedule,
            "headers": _header_map(self.headers),
            "filter": self.filter or None,
            "rate_limit": RateLimitDraft(per_second=_number(self.rate)) if self.rate else None,
            "ordered": self.order_path if self.order == "path" else self.order == "one",
            "signing": HMAC if self.signing == UNSIGNED and webhook is None else self.signing,
            "auth": msgspec.UNSET if keeps_auth else self._auth(),
        }

    def _auth(self) -> AuthDraft | None:
        if self.auth == "basic":
            # The form comes back without the password when another field is refused: an empty one
            # is then asked for again, and not saved.
            password = self.password or None
            return AuthDraft(type="basic", username=self.username, password=password)
        if self.auth == "oauth2":
            return AuthDraft(
                type="oauth2",
                token_url=self.token_url,
                client_id=self.client_id,
                client_secret=self.client_secret or None,
                scope=self.scope or None,
            )
        if self.auth == "mtls":
            key = self.private_key or None
            return AuthDraft(type="mtls", certificate=self.certificate, private_key=key)
        return AuthDraft(type=self.auth, token=self.bearer_token) if self.auth else None

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
    form_input = _read(form, page.language(request.auth))
    token = form.text("token")
    if form.has("generate"):
        form_input.secret, form_input.signing = new_secret(), HMAC
        return _answer(page, request, form_input, None, token=token)
    if form.has("try"):
        return await _try_filter(page, request, form_input, None, form)
    draft = WebhookDraft(
        url=form_input.url,
        events=list(form_input.events),
        secret=form_input.secret or None,
        generate_secret=form_input.signing == HMAC and not form_input.secret,
        status=PAUSED if form_input.paused else ACTIVE,
        **form_input.options(),
    )
    if form_input.signing == UNSIGNED and form_input.secret:
        errors = FormErrors(Invalid.field("/secret", _WITHOUT_SIGNATURE))
        return _answer(page, request, form_input, None, errors, token=token)
    try:
        saved = await page.webhooks.create(
            request.auth.organization, draft, webhook_id=read_token(request.auth, token)
        )
    except Invalid as refusal:
        return _answer(page, request, form_input, None, FormErrors(refusal), token=token)
    except Conflict as refusal:
        return _answer(page, request, form_input, None, FormErrors(Invalid(refusal.detail)))
    page.audit("webhook created", request.auth, webhook=saved.webhook.id)
    answer = redirect(f"/{saved.webhook.id}?done=created")
    if draft.generate_secret:
        cookie = page.auth.reveal_cookie(request.auth, saved.webhook.id)
        answer.headers["Set-Cookie"] = cookie  # its page shows the secret, once
    return answer


_WITHOUT_SIGNATURE: Final = Text("Choose HMAC-SHA256 above to sign with this secret, or remove it.")


@get("/{webhook:str}/edit", admin=True)
async def show_edit(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Show the form with the webhook's current values."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    return _answer(page, request, FormInput.of(found), found)


@post("/{webhook:str}/edit")
async def edit(page: PageDependency, request: PageRequest, webhook: FromPath[str]) -> Response[str]:
    """Save the changes, or show the form again with its errors.

    So it is, with both versions, when somebody else has changed the webhook since the form was
    opened. A change that comes between the check and the saving is found by the version.
    """
    form = form_of(request)
    form_input = _read(form, page.language(request.auth))
    found = await page.webhooks.get(request.auth.organization, webhook)
    if form.has("try"):
        return await _try_filter(page, request, form_input, found, form)
    changes = changes_between(form.text("known"), FormInput.of(found), form_input)
    if changes:
        return _answer(page, request, form_input, found, changes=changes)
    patch = WebhookPatch(
        url=form_input.url if form_input.url != found.url else msgspec.UNSET,
        events=list(form_input.events),
        **form_input.options(found),
    )
    try:
        await page.webhooks.change(
            request.auth.organization, webhook, patch, versions=[found.version]
        )
    except Invalid as refusal:
        return _answer(page, request, form_input, found, FormErrors(refusal))
    except Outdated:
        found = await page.webhooks.get(request.auth.organization, webhook)
        changes = changes_between(form.text("known"), FormInput.of(found), form_input)
        return _answer(page, request, form_input, found, changes=changes)
    page.audit("webhook edited", request.auth, webhook=webhook)
    return redirect(f"/{webhook}{SETTINGS}?done=saved")


@post("/check-url", status_code=200)
async def check_url(page: PageDependency, request: PageRequest) -> dict[str, Any]:
    """Check a URL as saving would. The form calls this when the user leaves the field."""
    language = page.language(request.auth)
    try:
        warnings = await page.webhooks.check_url(form_of(request).text("url"))
    except Invalid as refusal:
        return {"ok": False, "message": language.translate(refusal.detail)}
    return {"ok": True, "message": " ".join(map(language.translate, warnings))}


@post("/generate-secret", status_code=200)
async def generate_secret() -> dict[str, str]:
    """Generate a secret. It is not stored until the form is saved."""
    return {"secret": new_secret()}


async def _try_filter(
    page: PageContext,
    request: PageRequest,
    form_input: FormInput,
    webhook: Webhook | None,
    form: Form,
) -> Response[str]:
    """Show the form again, with how many of the last events match its filter.

    Its token, and the values that it was opened with, stay: nothing was saved.
    """
    token, known = form.text("token"), form.text("known")
    events = list(form_input.events) or None
    draft = FilterTestDraft(filter=form_input.filter or "null", events=events)
    try:
        trial = await page.webhooks.test_filter(request.auth.organization, draft)
    except Invalid as refusal:
        errors = FormErrors(refusal)
        return _answer(page, request, form_input, webhook, errors, token=token, known=known)
    return _answer(page, request, form_input, webhook, token=token, known=known, trial=trial)


def _read(form: Form, language: Language) -> FormInput:
    return FormInput(
        url=form.text("url"),
        events=without_covered(form.all("events")),
        secret=form.text("secret"),
        description=form.text("description"),
        name=form.text("name"),
        timeout=language.number_read(form.text("timeout")),
        schedule=form.text("schedule") or STANDARD,
        waits=language.numbers_read(form.text("waits")),
        rate=language.number_read(form.text("rate")),
        order=form.text("order"),
        order_path=form.text("order-path"),
        paused=form.has("paused"),
        headers=form.text("headers"),
        auth=form.text("auth"),
        username=form.text("username"),
        password=form.text("password"),
        bearer_token=form.text("bearer-token"),
        token_url=form.text("token-url"),
        client_id=form.text("client-id"),
        client_secret=form.text("client-secret"),
        scope=form.text("scope"),
        certificate=form.text("certificate"),
        private_key=form.text("private-key"),
        filter=form.text("filter"),
        signing=form.text("signing") or HMAC,
    )


def _header_map(text: str) -> dict[str, str]:
    """Headers by name. A line without a colon is a name without a value, which is refused."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line.strip():
            name, _, value = line.partition(":")
            found[name.strip()] = value.strip()
    return found


def _number(text: str) -> float:
    """A number; NaN if it is none, which the check of its field refuses."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _answer(
    page: PageContext,
    request: PageRequest,
    form_input: FormInput,
    webhook: Webhook | None,
    errors: FormErrors | None = None,
    *,
    token: str = "",
    known: str = "",
    changes: Sequence[Change] | None = None,
    trial: FilterTestResult | None = None,
) -> Response[str]:
    """The form; `changes`, also an empty list, says that nothing was saved because of them."""
    errors = errors or FormErrors()
    status = HTTPStatus.OK if changes is None else HTTPStatus.CONFLICT
    return page.answer(
        "webhook_form.html",
        request.auth,
        status=_UNPROCESSABLE if errors else status,
        token=token or new_token(request.auth, page.webhooks.new_id()),
        known=known or (known_values(FormInput.of(webhook)) if webhook else ""),
        changes=changes,
        tab="webhooks",
        form_input=form_input,
        webhook=webhook,
        trial=trial,
        categories=category_choices(page.catalog, form_input.events),
        removed=page.catalog.without_match(webhook.events if webhook else ()),
        selected=len(page.catalog.chosen(form_input.events)),
        total=len(page.catalog.names),
        limits={
            "timeout": page.config.delivery_timeout,
            "rates": (LOWEST_RATE, HIGHEST_RATE),
            "standard": page.config.retry_schedule,
            "long": len(LONG_SCHEDULE),
            "retries": MOST_RETRIES,
        },
        addresses=", ".join(map(str, page.config.egress_addresses)),
        errors=errors.by_field,
        summary=errors.in_order(_FIELDS),
    )


ROUTES = (show_new, create, show_edit, edit, check_url, generate_secret)
