"""What is wrong with a failed attempt and what to do, and the same for a failing webhook."""

from typing import Any

from winnerr_webhooks.domain.diagnosis import diagnosis_of
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.management.replay_requests import ReplayRequest
from winnerr_webhooks.settings_page.health_summary import WebhookOverview
from winnerr_webhooks.settings_page.page_context import PageContext


async def remedy_values(
    page: PageContext, overview: WebhookOverview, *, is_admin: bool
) -> dict[str, Any]:
    """What the page of a failing webhook says: the newest failure, and how many can be replayed."""
    if overview.status != "failing":
        return {"diagnosis": None, "last_failure": None, "replayable": 0}
    webhook = overview.webhook
    last = overview.state.last
    id_ = last.id if last and last.outcome == "failed" else overview.state.first_failure
    attempt = await page.storage.attempt(webhook.organization, id_) if id_ else None
    replayable = await _replayable(page, overview) if is_admin else 0
    return {
        "diagnosis": attempt and diagnosis_of(attempt, page.config.delivery_timeout),
        "last_failure": attempt and attempt.id,
        "replayable": replayable,
    }


async def _replayable(page: PageContext, overview: WebhookOverview) -> int | None:
    """How many failed deliveries can be replayed; None when counting them would take too long."""
    wanted = ReplayRequest(webhook=overview.webhook.id, outcome="failed")
    try:
        return await page.replays.replay_many(overview.webhook.organization, wanted, dry_run=True)
    except Unavailable:
        return None
