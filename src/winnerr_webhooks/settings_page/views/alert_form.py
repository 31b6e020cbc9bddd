"""Alerts: whom the organization wants to be told by mail, of what, and in which language."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromQuery

from winnerr_webhooks.domain.alerts import (
    DELIVERY_FAILED,
    MAX_EMAILS,
    WEBHOOK_DISABLED,
    WEBHOOK_FAILING,
    WEBHOOK_RECOVERED,
    AlertSettings,
)
from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.management.alert_management import AlertDraft, check_alert_settings
from winnerr_webhooks.settings_page.forms import FormErrors
from winnerr_webhooks.settings_page.page_context import (
    PageContext,
    PageDependency,
    PageRequest,
    form_of,
    redirect,
)

_UNPROCESSABLE: Final = 422
_CONFLICT: Final = 409
_SEPARATOR: Final = re.compile(r"[\r\n,;]+")
EVENT_WORDS: Final = {
    WEBHOOK_FAILING: Text("A webhook is failing: no success for 15 minutes, and 5 failures"),
    WEBHOOK_RECOVERED: Text("A webhook that was failing or disabled delivers again"),
    WEBHOOK_DISABLED: Text("A webhook was disabled"),
    DELIVERY_FAILED: Text(
        "The retries of deliveries are used up: one mail in 15 minutes for each webhook"
    ),
}
LANGUAGE_NAMES: Final = {
    "en": "English",
    "de": "Deutsch",
    "es": "Español",
    "fr": "Français",
    "pt-BR": "Português (Brasil)",
}
"""What each language calls itself, which needs no translation."""


@get("/alerts", admin=True)
async def show_alerts(
    page: PageDependency, request: PageRequest, done: FromQuery[str] = ""
) -> Response[str]:
    """Show the form."""
    settings = await page.alerts.get(request.auth.organization)
    # An organization that has no addresses yet probably reads what its admin reads.
    usual = page.languages.default if settings.emails else page.language(request.auth).tag
    draft = AlertDraft(
        emails=list(settings.emails),
        events=list(settings.events),
        language=settings.language or usual,
    )
    return _answer(page, request, draft, known=settings, done=done)


@post("/alerts")
async def save_alerts(page: PageDependency, request: PageRequest) -> Response[str]:
    """Save it; wrong fields are shown in the form again."""
    organization, form = request.auth.organization, form_of(request)
    draft = AlertDraft(
        emails=[one for part in _SEPARATOR.split(form.text("emails")) if (one := part.strip())],
        events=form.all("events"),
        language=form.text("language") or None,
    )
    stored = await page.alerts.get(organization)
    try:
        asked = check_alert_settings(draft)
    except Invalid as refusal:
        errors = FormErrors(refusal).by_field
        return _answer(page, request, draft, known=stored, errors=errors, status=_UNPROCESSABLE)
    opened_with = form.text("known")
    if opened_with and opened_with != _known(stored) and asked != stored:
        return _answer(page, request, draft, known=stored, is_outdated=True, status=_CONFLICT)
    await page.alerts.put(organization, asked)
    page.audit("alerts changed", request.auth)
    return redirect("/alerts?done=saved")


def _answer(
    page: PageContext,
    request: PageRequest,
    draft: AlertDraft,
    *,
    known: AlertSettings,
    errors: Mapping[str, str] | None = None,
    is_outdated: bool = False,
    done: str = "",
    status: int = 200,
) -> Response[str]:
    return page.answer(
        "alerts.html",
        request.auth,
        status=status,
        draft=draft,
        known=_known(known),
        errors=errors or {},
        is_outdated=is_outdated,
        done=done,
        most=MAX_EMAILS,
        events=EVENT_WORDS,
        languages=LANGUAGE_NAMES,
        can_mail=page.config.smtp_url is not None,
    )


def _known(settings: AlertSettings) -> str:
    """Return the stored settings as the form's hidden field has them."""
    return msgspec.json.encode(settings).decode()


ROUTES = (show_alerts, save_alerts)
