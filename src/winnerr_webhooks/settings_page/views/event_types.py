"""The Events tab: every event type with its sample and its schema, and sending one as a test."""

from typing import Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromQuery

from winnerr_webhooks.domain.catalog import EventType
from winnerr_webhooks.domain.event import rfc3339
from winnerr_webhooks.management.field_checks import check_event
from winnerr_webhooks.settings_page.page_context import (
    PageContext,
    PageDependency,
    PageRequest,
    form_of,
    redirect,
)
from winnerr_webhooks.settings_page.schema_table import MAX_ROWS, FieldRow, schema_rows

PATH: Final = "/event-types"


class EventTypeView(msgspec.Struct, frozen=True, kw_only=True):
    """An event type as the page shows it."""

    type: EventType
    sample: str
    """A whole payload, as indented JSON."""
    fields: list[FieldRow]
    """Empty: it has no schema."""
    is_cut: bool
    """Whether the schema has more fields than the table shows."""


@get(PATH)
async def show_event_types(page: PageDependency, request: PageRequest) -> Response[str]:
    """Show the catalogue, by category."""
    organization = request.auth.organization
    async with page.turn(organization):
        return await page.answer_in_thread(
            "event_types.html",
            request.auth,
            tab="events",
            # The template calls this in the thread: a thousand event types take a moment.
            categories=lambda: [
                (name, [_view(page, organization, one) for one in types])
                for name, types in page.catalog.categories
            ],
            total=len(page.catalog.names),
        )


@get(f"{PATH}/send", admin=True)
async def show_send(
    page: PageDependency, request: PageRequest, event: FromQuery[str] = ""
) -> Response[str]:
    """Show the sample of an event type, and ask which webhook to send it to."""
    name = check_event(page.catalog, event)
    one = page.catalog.get(name)
    assert one is not None  # noqa: S101  `check_event` has looked it up
    organization = request.auth.organization
    return page.answer(
        "event_send.html",
        request.auth,
        tab="events",
        event=_view(page, organization, one),
        webhooks=await page.webhooks.list(organization),
    )


@post(f"{PATH}/send")
async def send(page: PageDependency, request: PageRequest) -> Response[str]:
    """Send a test event of a type to a webhook, and show its result on the webhook's page."""
    form = form_of(request)
    target = await page.webhooks.get(request.auth.organization, form.text("webhook"))
    delivery = await page.webhooks.send_test(target, form.text("event"))
    return redirect(f"/{target.id}?test={delivery}")


def _view(page: PageContext, organization: str, one: EventType) -> EventTypeView:
    body = page.catalog.example_body(one.name, organization, rfc3339(page.now()))
    fields = [] if one.schema is None else schema_rows(one.schema)
    return EventTypeView(
        type=one,
        sample=msgspec.json.format(body, indent=2).decode(),
        fields=fields,
        is_cut=len(fields) == MAX_ROWS,
    )


ROUTES = (show_event_types, show_send, send)
