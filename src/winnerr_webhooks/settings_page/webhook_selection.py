"""Which webhooks the list shows: found by text and status, sorted, 50 a page. Pure."""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.settings_page.formatting import webhook_name
from winnerr_webhooks.settings_page.health_summary import WebhookOverview

PAGE_SIZE: Final = 50
STATUSES: Final = ("active", "failing", "paused", "disabled")
SORTS: Final = (
    ("", Text("Failing first")),
    ("name", Text("By name")),
    ("newest", Text("Newest first")),
    ("last", Text("Last attempt first")),
    ("rate", Text("Lowest success rate first")),
)
"""The orders of the list, by the name in the URL."""
FEW: Final = 5
"""With up to so many webhooks there is nothing to search for."""
MAX_SEARCH: Final = 200
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,3}")


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What the list was asked for. Values that cannot be used are replaced by the usual ones."""

    q: str = ""
    status: str = ""
    """One of `STATUSES`; empty: all."""
    sort: str = ""
    """One of `SORTS`."""
    page: int = 1

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> "ListQuery":
        """Return the query that the parameters of a URL ask for."""
        status, page = parameters.get("status", ""), parameters.get("page", "")
        sort = parameters.get("sort", "")
        return cls(
            q=parameters.get("q", "").strip()[:MAX_SEARCH],
            status=status if status in STATUSES else "",
            sort=sort if sort in dict(SORTS) else "",
            page=int(page) if _NUMBER.fullmatch(page) else 1,
        )

    def link(self, *, status: str | None = None, page: int = 1) -> str:
        """The query string of another status or page, from its `?` on; empty when nothing is set.

        `status` None: the same one.
        """
        values = {
            "q": self.q,
            "status": self.status if status is None else status,
            "sort": self.sort,
            "page": str(page) if page > 1 else "",
        }
        text = urlencode({name: value for name, value in values.items() if value})
        return f"?{text}" if text else ""


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the list."""

    query: ListQuery
    items: list[WebhookOverview]
    counts: dict[str, int]
    """How many of those that the text finds have each status."""
    found: int
    """How many webhooks there are on all pages."""
    total: int
    """How many the organization has."""

    @property
    def pages(self) -> int:
        """How many pages there are, at least 1."""
        return max(-(-self.found // PAGE_SIZE), 1)

    @property
    def first(self) -> int:
        """The number of the first webhook on this page, from 1."""
        return (self.query.page - 1) * PAGE_SIZE + 1

    @property
    def can_search(self) -> bool:
        """Whether the list is long enough for a search, or is one already."""
        return self.total > FEW or bool(self.query.q or self.query.status)


def select_webhooks(overviews: Sequence[WebhookOverview], query: ListQuery) -> Selection:
    """Choose what a page of the list shows.

    `overviews` are oldest first. Without a `sort`, failing webhooks come first, and otherwise the
    order stays. A page after the last is the last.
    """
    found = [one for one in overviews if _matches(one, query.q)]
    counts = Counter(one.status for one in found)
    if query.status:
        found = [one for one in found if one.status == query.status]
    if query.sort == "newest":
        found.reverse()
    else:
        found.sort(key=_ORDERS[query.sort])
    last = max(-(-len(found) // PAGE_SIZE), 1)
    query = msgspec.structs.replace(query, page=min(query.page, last))
    start = (query.page - 1) * PAGE_SIZE
    return Selection(
        query=query,
        items=found[start : start + PAGE_SIZE],
        counts={status: counts[status] for status in STATUSES},
        found=len(found),
        total=len(overviews),
    )


def _last_attempt(overview: WebhookOverview) -> int:
    last = overview.state.last
    return -last.started_at if last else 0


def _success_rate(overview: WebhookOverview) -> float:
    rate = overview.health.success_rate
    return math.inf if rate is None else rate


def _name(overview: WebhookOverview) -> str:
    return webhook_name(overview.webhook).casefold()


_ORDERS: Final[dict[str, Callable[[WebhookOverview], Any]]] = {
    "": lambda one: one.status != "failing",
    "name": _name,
    "last": _last_attempt,
    "rate": _success_rate,
}


def _matches(overview: WebhookOverview, text: str) -> bool:
    webhook = overview.webhook
    wanted = text.casefold()
    fields = (webhook.name, webhook.url, webhook.description, webhook.id)
    return not wanted or any(wanted in field.casefold() for field in fields if field)
