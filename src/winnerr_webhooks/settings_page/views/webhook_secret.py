"""The secret of a webhook: reveal, rotate, switch to the new one, remove.

Only admins may do this, and each action goes to the audit log.
"""

from litestar import Response, post
from litestar.params import FromPath

from winnerr_webhooks.domain.errors import Conflict, Invalid
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.management.webhook_drafts import DEFAULT_OVERLAP, SecretDraft
from winnerr_webhooks.settings_page.forms import FormErrors
from winnerr_webhooks.settings_page.page_context import (
    PageContext,
    PageDependency,
    PageRequest,
    form_of,
    redirect,
)
from winnerr_webhooks.settings_page.views.webhook_detail import SIGNING, signing_values


@post("/{webhook:str}/secret")
async def reveal(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Show the secret on the webhook's page about signing, once."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    await page.webhooks.secret(found.organization, webhook)  # there is one
    return _reveal(page, request, webhook, f"/{webhook}{SIGNING}")


@post("/{webhook:str}/rotate")
async def rotate(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Set or rotate the secret, and show it once. Without one in the form, generate it."""
    form = form_of(request)
    found = await page.webhooks.get(request.auth.organization, webhook)
    draft = SecretDraft(overlap_seconds=form.number("overlap", DEFAULT_OVERLAP))
    if secret := form.text("secret"):
        draft.secret = secret
    try:
        await page.webhooks.set_secret(found.organization, webhook, draft)
    except Invalid as refusal:
        errors = FormErrors(refusal).by_field
        values = await signing_values(page, request.auth, found) | {"errors": errors}
        return page.answer("webhook_signing.html", request.auth, status=422, done="", **values)
    page.audit("signing key rotated", request.auth, webhook=webhook)
    done = "rotated" if found.has_secret else "signed"
    return _reveal(page, request, webhook, f"/{webhook}{SIGNING}?done={done}")


def _reveal(page: PageContext, request: PageRequest, webhook: str, path: str) -> Response[str]:
    """Lead to the page about signing with a cookie that makes it show the secret, once."""
    answer = redirect(path)
    answer.headers["Set-Cookie"] = page.auth.reveal_cookie(request.auth, webhook)
    return answer


@post("/{webhook:str}/switch")
async def end_overlap(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """End an overlap now, so that only the new secret signs."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    if found.overlap_ends_at is None:
        raise Conflict(Text("The secret is not being rotated: only the new one signs already."))
    secret = await page.webhooks.secret(found.organization, webhook)
    draft = SecretDraft(secret=secret, overlap_seconds=0)
    await page.webhooks.set_secret(found.organization, webhook, draft)
    page.audit("signing key switched", request.auth, webhook=webhook)
    return redirect(f"/{webhook}{SIGNING}?done=switched")


@post("/{webhook:str}/unsign")
async def remove(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Remove the secret; requests are unsigned from then on."""
    await page.webhooks.remove_secret(request.auth.organization, webhook)
    page.audit("signing key removed", request.auth, webhook=webhook)
    return redirect(f"/{webhook}{SIGNING}?done=unsigned")


ROUTES = (reveal, rotate, end_overlap, remove)
