"""The failed deliveries that the log shows: found by filters that say something about attempts.

A job replays by webhook, event type and time. Filters such as a status or a text select attempts,
so their deliveries are looked up first, a bounded number of them.
"""

import asyncio
from typing import Final, NamedTuple

import msgspec

from winnerr_webhooks.domain.delivery import FAILED
from winnerr_webhooks.domain.errors import Conflict, NotFound
from winnerr_webhooks.domain.webhook import ACTIVE
from winnerr_webhooks.settings_page.filters import MAX_ROWS, Filters
from winnerr_webhooks.settings_page.page_context import PageContext

MOST_SELECTED: Final = 500
"""Deliveries that are replayed at once."""
_MOST_READS: Final = 4
"""Pages of the log that are read for one selection; each may take two seconds."""
_AT_ONCE: Final = 20
TEST: Final = "test"


class SelectedDeliveries(NamedTuple):
    """What the log shows that can be replayed."""

    ids: list[str]
    """Deliveries, those with the newest attempts first."""
    is_partial: bool
    """Whether there may be more in older attempts."""


class ReplayedDeliveries(NamedTuple):
    """What became of a selection."""

    replayed: int
    skipped: int
    """Those whose webhook was stopped or deleted meanwhile."""


async def select_deliveries(
    page: PageContext, organization: str, filters: Filters
) -> SelectedDeliveries:
    """Find the failed deliveries of active webhooks of which these filters show an attempt.

    Deliveries of test events are only among them if the filters ask for tests.
    """
    webhooks = await page.webhooks.list(organization)
    active = {one.id for one in webhooks if one.status == ACTIVE}
    found: dict[str, None] = {}
    query = filters.log_filter(organization, page.now(), limit=MAX_ROWS)
    for _read in range(_MOST_READS):
        attempts = await page.storage.log(query)
        for attempt in attempts.items:
            if (
                attempt.delivery_status == FAILED
                and attempt.webhook_id in active
                and (attempt.trigger != TEST or filters.trigger == TEST)
            ):
                found[attempt.delivery_id] = None
        if attempts.next is None or len(found) > MOST_SELECTED:
            break
        query = msgspec.structs.replace(query, before=attempts.next)
    else:
        return SelectedDeliveries(list(found)[:MOST_SELECTED], is_partial=True)
    return SelectedDeliveries(list(found)[:MOST_SELECTED], len(found) > MOST_SELECTED)


async def replay_deliveries(
    page: PageContext, organization: str, ids: list[str]
) -> ReplayedDeliveries:
    """Request one more attempt of each delivery."""

    async def replay(delivery: str) -> bool:
        try:
            await page.replays.replay_delivery(organization, delivery)
        except (Conflict, NotFound):
            return False
        return True

    replayed = 0
    for start in range(0, len(ids), _AT_ONCE):
        replayed += sum(await asyncio.gather(*map(replay, ids[start : start + _AT_ONCE])))
    return ReplayedDeliveries(replayed, len(ids) - replayed)
