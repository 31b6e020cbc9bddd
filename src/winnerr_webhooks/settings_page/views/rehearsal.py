"""Rehearse: a form for another URL, and the page with its answers beside the recorded ones."""

from typing import Final

from litestar import Response, get, post
from litestar.params import FromPath

from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.management.rehearsals import DEFAULT_EVENTS, MOST_EVENTS
from winnerr_webhooks.settings_page.forms import FormErrors
from winnerr_webhooks.settings_page.page_context import (
    PageDependency,
    PageRequest,
    form_of,
    redirect,
)

_UNPROCESSABLE: Final = 422


@get("/{webhook:str}/rehearse", admin=True)
async def show_rehearse(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Show the form."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    return page.answer(
        "rehearse.html",
        request.auth,
        webhook=found,
        url="",
        last=str(DEFAULT_EVENTS),
        most=MOST_EVENTS,
        errors={},
    )


@post("/{webhook:str}/rehearse")
async def start_rehearsal(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Start a rehearsal and show it; wrong fields are shown in the form again."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    form = form_of(request)
    url, last = form.text("url"), form.text("last")
    try:
        started = await page.rehearsals.start(
            found.organization, webhook, url, form.number("last", 0)
        )
    except Invalid as refusal:
        return page.answer(
            "rehearse.html",
            request.auth,
            status=_UNPROCESSABLE,
            webhook=found,
            url=url,
            last=last,
            most=MOST_EVENTS,
            errors=FormErrors(refusal).by_field,
        )
    page.audit("webhook rehearsed", request.auth, webhook=webhook, url=url, rehearsal=started.id)
    return redirect(f"/rehearsals/{started.id}")


@get("/rehearsals/{rehearsal:str}", admin=True)
async def show_rehearsal(
    page: PageDependency, request: PageRequest, rehearsal: FromPath[str]
) -> Response[str]:
    """Show the answers so far."""
    found = await page.rehearsals.get(request.auth.organization, rehearsal)
    return page.answer(
        "rehearsal.html",
        request.auth,
        rehearsal=found,
        to_come=sum(one.rehearsed is None for one in found.answers),
    )


@post("/rehearsals/{rehearsal:str}/cancel")
async def cancel_rehearsal(
    page: PageDependency, request: PageRequest, rehearsal: FromPath[str]
) -> Response[str]:
    """Send nothing more of it."""
    await page.rehearsals.cancel(request.auth.organization, rehearsal)
    page.audit("rehearsal cancelled", request.auth, rehearsal=rehearsal)
    return redirect(f"/rehearsals/{rehearsal}")


ROUTES = (show_rehearse, start_rehearsal, show_rehearsal, cancel_rehearsal)
