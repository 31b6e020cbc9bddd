"""The form of a test event: choose the event type, see its payload, and edit it before sending."""

from typing import Final

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.webhook import Webhook
from winnerr_webhooks.management.sample_payloads import example_data
from winnerr_webhooks.settings_page.forms import FormErrors
from winnerr_webhooks.settings_page.page_context import (
    PageContext,
    PageDependency,
    PageRequest,
    form_of,
    redirect,
)

_UNPROCESSABLE: Final = 422


@get("/{webhook:str}/test-event", admin=True)
async def show_test_event(
    page: PageDependency, request: PageRequest, webhook: FromPath[str], event: FromQuery[str] = ""
) -> Response[str]:
    """Show the form with the example of an event type, by default of the webhook's first one."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    if page.catalog.get(event) is None:
        chosen = page.catalog.chosen(found.events)
        event = chosen[0].name if chosen else page.catalog.names[0]
    data = example_data(page.catalog, event)
    return _answer(page, request, found, event=event, data=data)


@post("/{webhook:str}/test-event")
async def send_test_event(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Send it and show its result on the webhook's page; or show the form again with its error."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    form = form_of(request)
    event, data = form.text("event"), form.text("data")
    try:
        delivery = await page.webhooks.send_test(found, event, data.encode())
    except Invalid as refusal:
        return _answer(page, request, found, event=event, data=data, errors=FormErrors(refusal))
    return redirect(f"/{webhook}?test={delivery}")


def _answer(
    page: PageContext,
    request: PageRequest,
    webhook: Webhook,
    *,
    event: str,
    data: str,
    errors: FormErrors | None = None,
) -> Response[str]:
    return page.answer(
        "test_event.html",
        request.auth,
        status=_UNPROCESSABLE if errors else 200,
        webhook=webhook,
        categories=page.catalog.categories,
        event=event,
        data=data,
        rows=min(max(data.count("\n") + 2, 8), 24),
        errors=errors.by_field if errors else {},
    )


ROUTES = (show_test_event, send_test_event)
