"""A webhook's secret: revealed, rotated, switched, removed. Admins only; every act is recorded."""

from typing import Final

from litestar import Response, post
from litestar.params import FromPath

from winnerr_webhooks.domain.errors import Conflict, Invalid
from winnerr_webhooks.management.webhook_management import DEFAULT_OVERLAP, SecretDraft
from winnerr_webhooks.settings_page.forms import Errors
from winnerr_webhooks.settings_page.page_context import Given, PageRequest, form_of, go
from winnerr_webhooks.settings_page.views.webhook_detail import webhook_values

OVERLAPS: Final = (0, 3_600, DEFAULT_OVERLAP, 7 * DEFAULT_OVERLAP)
"""How long the old secret goes on signing, in seconds, as the form offers it."""


@post("/{webhook:str}/secret", status_code=200)
async def reveal(page: Given, request: PageRequest, webhook: FromPath[str]) -> Response[str]:
    """Show the secret, and write down who saw it."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    secret = await page.webhooks.secret(found.organization, webhook)
    page.record("signing key revealed", request.auth, webhook=webhook)
    values = await webhook_values(page, request.auth, found)
    return page.answer("webhook.html", request.auth, done="", **(values | {"secret": secret}))


@post("/{webhook:str}/rotate", status_code=200)
async def rotate(page: Given, request: PageRequest, webhook: FromPath[str]) -> Response[str]:
    """Set or rotate the secret: the one given, or a new one, which is shown at once."""
    form = form_of(request)
    found = await page.webhooks.get(request.auth.organization, webhook)
    seconds = form.text("overlap")
    draft = SecretDraft(overlap_seconds=int(seconds) if seconds.isdecimal() else DEFAULT_OVERLAP)
    if given := form.text("secret"):
        draft.secret = given
    errors, done = None, "rotated" if found.has_secret else "signed"
    try:
        await page.webhooks.set_secret(found.organization, webhook, draft)
    except Invalid as refusal:
        errors, done = Errors(refusal).of, ""
    else:
        page.record("signing key rotated", request.auth, webhook=webhook)
    changed = await page.webhooks.get(found.organization, webhook)
    values = await webhook_values(page, request.auth, changed) | {"errors": errors}
    if errors is None:
        values["secret"] = await page.webhooks.secret(found.organization, webhook)
    status = 422 if errors else 200
    return page.answer("webhook.html", request.auth, status=status, done=done, **values)


@post("/{webhook:str}/switch")
async def switch(page: Given, request: PageRequest, webhook: FromPath[str]) -> Response[str]:
    """End an overlap now: the new secret alone signs from here on."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    if found.overlap_ends_at is None:
        raise Conflict("No rotation is under way: the new secret signs alone already.")
    secret = await page.webhooks.secret(found.organization, webhook)
    draft = SecretDraft(secret=secret, overlap_seconds=0)
    await page.webhooks.set_secret(found.organization, webhook, draft)
    page.record("signing key switched", request.auth, webhook=webhook)
    return go(f"/{webhook}?done=switched")


@post("/{webhook:str}/unsign")
async def remove(page: Given, request: PageRequest, webhook: FromPath[str]) -> Response[str]:
    """Send unsigned requests from now on."""
    await page.webhooks.remove_secret(request.auth.organization, webhook)
    page.record("signing key removed", request.auth, webhook=webhook)
    return go(f"/{webhook}?done=unsigned")


ROUTES = (reveal, rotate, switch, remove)
