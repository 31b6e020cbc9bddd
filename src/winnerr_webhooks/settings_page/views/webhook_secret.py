"""The secret of a webhook: reveal, rotate, switch to the new one, remove.

Only admins may do this, and each action goes to the audit log.
"""

from litestar import Response, post
from litestar.params import FromPath

from winnerr_webhooks.domain.errors import Conflict, Invalid
from winnerr_webhooks.management.webhook_drafts import DEFAULT_OVERLAP, SecretDraft
from winnerr_webhooks.settings_page.forms import FormErrors
from winnerr_webhooks.settings_page.page_context import (
    PageDependency,
    PageRequest,
    form_of,
    redirect,
)
from winnerr_webhooks.settings_page.views.webhook_detail import webhook_values


@post("/{webhook:str}/secret", status_code=200)
async def reveal(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Show the secret, and record in the audit log who saw it."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    secret = await page.webhooks.reveal_secret(found.organization, webhook)
    page.audit("signing key revealed", request.auth, webhook=webhook)
    values = await webhook_values(page, request.auth, found)
    return page.answer(
        "webhook_detail.html", request.auth, done="", **(values | {"secret": secret})
    )


@post("/{webhook:str}/rotate", status_code=200)
async def rotate(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Set or rotate the secret, and show it. Without one in the form, generate it."""
    form = form_of(request)
    found = await page.webhooks.get(request.auth.organization, webhook)
    draft = SecretDraft(overlap_seconds=form.number("overlap", DEFAULT_OVERLAP))
    if secret := form.text("secret"):
        draft.secret = secret
    errors, done = None, "rotated" if found.has_secret else "signed"
    try:
        await page.webhooks.set_secret(found.organization, webhook, draft)
    except Invalid as refusal:
        errors, done = FormErrors(refusal).by_field, ""
    else:
        page.audit("signing key rotated", request.auth, webhook=webhook)
    changed = await page.webhooks.get(found.organization, webhook)
    values = await webhook_values(page, request.auth, changed) | {"errors": errors}
    if errors is None:
        values["secret"] = await page.webhooks.secret(found.organization, webhook)
    status = 422 if errors else 200
    return page.answer("webhook_detail.html", request.auth, status=status, done=done, **values)


@post("/{webhook:str}/switch")
async def end_overlap(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """End an overlap now, so that only the new secret signs."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    if found.overlap_ends_at is None:
        raise Conflict("The secret is not being rotated: only the new one signs already.")
    secret = await page.webhooks.secret(found.organization, webhook)
    draft = SecretDraft(secret=secret, overlap_seconds=0)
    await page.webhooks.set_secret(found.organization, webhook, draft)
    page.audit("signing key switched", request.auth, webhook=webhook)
    return redirect(f"/{webhook}?done=switched")


@post("/{webhook:str}/unsign")
async def remove(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Remove the secret; requests are unsigned from then on."""
    await page.webhooks.remove_secret(request.auth.organization, webhook)
    page.audit("signing key removed", request.auth, webhook=webhook)
    return redirect(f"/{webhook}?done=unsigned")


ROUTES = (reveal, rotate, end_overlap, remove)
