"""The Activity tab: who did what, newest first, filtered by the URL."""

from typing import Final
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar import Response, get
from msgspec.structs import asdict

from winnerr_webhooks.domain.activity import ACTIONS
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.domain.webhook import Webhook
from winnerr_webhooks.ids import is_id
from winnerr_webhooks.settings_page.activity_rows import ACTION_WORDS, make_activity_rows
from winnerr_webhooks.settings_page.filters import MAX_SEARCH, RANGES
from winnerr_webhooks.settings_page.formatting import short_url
from winnerr_webhooks.settings_page.page_context import PageDependency, PageRequest
from winnerr_webhooks.storage.activity_port import ActivityFilter

MAX_ROWS: Final = 100
_RANGES: Final = (*RANGES, ("30d", Text("Last 30 days"), 30 * 86_400_000))
_MS: Final = {name: ms for name, _, ms in _RANGES}


class ActivityFilters(msgspec.Struct, kw_only=True):
    """The filters as they were written in the URL; what cannot be used is empty."""

    webhook: str = ""
    actor: str = ""
    action: str = ""
    time: str = ""
    before: str = ""

    @property
    def any(self) -> bool:
        """Whether any filter is set."""
        return bool(self.webhook or self.actor or self.action or self.time)

    def query(self, **changes: str) -> str:
        """The filters as a query string that begins with `?`; empty when none is set."""
        values = {name: value for name, value in (asdict(self) | changes).items() if value}
        return f"?{urlencode(values)}" if values else ""

    def activity_filter(self, organization: str, now: int) -> ActivityFilter:
        """The filters as the storage takes them."""
        return ActivityFilter(
            organization=organization,
            webhook=self.webhook or None,
            actor=self.actor or None,
            action=self.action or None,
            since=now - _MS[self.time] if self.time else None,
            limit=MAX_ROWS,
            before=self.before or None,
        )


def read_activity_filters(raw: bytes) -> ActivityFilters:
    """Read the filters from a query string; unknown parameters and choices are dropped."""
    names = ActivityFilters.__struct_fields__
    pairs = parse_qsl(raw.decode("utf-8", "replace"))
    found = ActivityFilters(**{name: value.strip() for name, value in pairs if name in names})
    found.actor = found.actor[:MAX_SEARCH].replace("\0", "")
    if not is_id("wh", found.webhook):
        found.webhook = ""
    if found.action not in ACTIONS:
        found.action = ""
    if found.time not in _MS:
        found.time = ""
    if not is_id("act", found.before):
        found.before = ""
    return found


@get("/activity")
async def show_activity(page: PageDependency, request: PageRequest) -> Response[str]:
    """Show the entries."""
    visitor = request.auth
    filters = read_activity_filters(request.scope["query_string"])
    now = page.now()
    webhooks = await page.webhooks.list(visitor.organization)
    found = await page.storage.activity(filters.activity_filter(visitor.organization, now))
    webhook_ids = {webhook.id for webhook in webhooks}
    rows = make_activity_rows(page.language(visitor), found.items, webhook_ids)
    return page.answer(
        "activity.html",
        visitor,
        tab="activity",
        webhook_names={one.id: _name_with_url(one) for one in webhooks},
        filters=filters,
        rows=rows,
        next=found.next,
        actors=sorted({one.actor.name for one in found.items if one.actor.name}),
        actions=ACTION_WORDS,
        ranges=_RANGES,
        retention_days=page.config.log_retention_days,
    )


def _name_with_url(webhook: Webhook) -> str:
    url = short_url(webhook.url)
    return f"{webhook.name} · {url}" if webhook.name else url


ROUTES = (show_activity,)
