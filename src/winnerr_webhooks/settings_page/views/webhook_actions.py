"""The buttons on a webhook's page: test event, pause, resume and delete."""

from litestar import Response, get, post
from litestar.params import FromPath

from winnerr_webhooks.domain.webhook import ACTIVE, PAUSED
from winnerr_webhooks.management.webhook_drafts import WebhookPatch
from winnerr_webhooks.settings_page.page_context import (
    PageDependency,
    PageRequest,
    form_of,
    redirect,
)
from winnerr_webhooks.settings_page.views.webhook_detail import read_overview


@post("/{webhook:str}/test")
async def send_test(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Send an example event once, and show its result on the webhook's page."""
    target = await page.webhooks.get(request.auth.organization, webhook)
    delivery = await page.webhooks.send_test(target, form_of(request).text("event") or None)
    return redirect(f"/{webhook}?test={delivery}")


@post("/{webhook:str}/pause")
async def pause(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Stop sending. Waiting deliveries are cancelled; resuming can send them."""
    patch = WebhookPatch(status=PAUSED)
    await page.webhooks.change(request.auth.organization, webhook, patch)
    page.audit("webhook paused", request.auth, webhook=webhook)
    return redirect(f"/{webhook}?done=paused")


@post("/{webhook:str}/resume")
async def resume(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Send again; also send the missed events when the box in the form is ticked."""
    missed = form_of(request).has("missed")
    patch = WebhookPatch(status=ACTIVE, replay_cancelled=missed)
    await page.webhooks.change(request.auth.organization, webhook, patch)
    page.audit("webhook resumed", request.auth, webhook=webhook)
    return redirect(f"/{webhook}?done={'resumed_all' if missed else 'resumed'}")


@get("/{webhook:str}/delete", admin=True)
async def confirm_delete(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Show what deleting the webhook would do, and ask for confirmation."""
    organization = request.auth.organization
    found = await page.webhooks.get(organization, webhook)
    overview = await read_overview(page, found)
    missed = await page.storage.cancelled(organization, found.id)
    return page.answer(
        "delete_webhook.html", request.auth, webhook=found, overview=overview, missed=missed
    )


@post("/{webhook:str}/delete")
async def delete(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Delete a webhook. Its attempts stay in the log."""
    await page.webhooks.delete(request.auth.organization, webhook)
    page.audit("webhook deleted", request.auth, webhook=webhook)
    return redirect("?done=deleted")


ROUTES = (send_test, pause, resume, confirm_delete, delete)
